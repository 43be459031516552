"""The schemas keep what was promised of their tables, and what the runners rely on."""

from __future__ import annotations

import re

import psycopg
import pytest

import sql
from db.migrations import discover
from db.postgres import Connection, Database

BITEMPORAL = {"valid_from", "valid_to", "recorded_from", "recorded_to"}
REPEATABLE = re.compile(
    r"(?:CREATE (?:OR REPLACE )?(?:TABLE|VIEW|MATERIALIZED VIEW|DICTIONARY) IF NOT EXISTS"
    r"|CREATE OR REPLACE|DROP \w+ IF EXISTS"
    r"|ALTER TABLE \w+ MODIFY SETTING)",
)
REPEATABLE_CHANGE = re.compile(
    r"(?:(?:ADD|DROP) (?:COLUMN|INDEX) IF (?:NOT )?EXISTS|MODIFY COLUMN"
    r"|DELETE WHERE|UPDATE \w+ = \d+ WHERE) [^;]+"
)


def is_repeatable(statement: str) -> bool:
    """Whether running a statement twice is the same as once; of an ALTER, each of its changes."""
    altered = re.fullmatch(r"ALTER TABLE \w+\s+(.*)", statement, re.DOTALL)
    if altered is None or REPEATABLE.match(statement):
        return bool(REPEATABLE.match(statement))
    changes = re.split(r",\s*\n\s*", altered[1])
    return all(REPEATABLE_CHANGE.fullmatch(change) for change in changes)


def columns(conn: Connection, table: str) -> dict[str, str]:
    schema, name = table.split(".")
    rows = conn.execute(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = %s AND table_name = %s",
        (schema, name),
    )
    return {row["column_name"]: row["data_type"] for row in rows}


@pytest.mark.req("CAT-03")
def test_pricing_plans_have_the_columns_that_were_asked_for(database: Database) -> None:
    with database.transaction() as conn:
        found = columns(conn, "catalog.pricing_plans")
    assert found["id"] == "uuid"
    assert {"name", "prices", "limits", "stripe_ids"} <= found.keys()


@pytest.mark.req("PAY-24")
def test_customers_have_the_columns_that_were_asked_for(database: Database) -> None:
    with database.transaction() as conn:
        found = columns(conn, "subscriptions.customers")
    assert (found["id"], found["user_id"]) == ("uuid", "uuid")
    assert {"stripe_customer_id", "billing_info"} <= found.keys()


@pytest.mark.req("SUB-20")
def test_subscriptions_have_the_columns_that_were_asked_for(database: Database) -> None:
    with database.transaction() as conn:
        found = columns(conn, "subscriptions.subscriptions")
    assert found["id"] == found["customer_id"] == found["plan_id"] == "uuid"
    asked = {"stripe_subscription_id", "status", "period_start", "period_end", "billing_cycle"}
    assert asked <= found.keys()


def test_every_table_of_catalog_and_subscriptions_is_bitemporal_and_has_a_tenant(
    database: Database,
) -> None:
    with database.transaction() as conn:
        tables = [
            f"{row['table_schema']}.{row['table_name']}"
            for row in conn.execute(
                "SELECT table_schema, table_name FROM information_schema.tables"
                " WHERE table_schema IN ('catalog', 'subscriptions')"
            )
        ]
        found = {table: columns(conn, table).keys() for table in tables}
    del found["catalog.catalog_version"]  # the one counter over all tenants
    del found["catalog.plan_drafts"]  # what is being written, and not known yet
    del found["subscriptions.subscription_changes"]  # what happened, which holds for ever
    assert len(found) >= 10
    for table, names in found.items():
        assert names >= BITEMPORAL | {"id", "tenant_id", "metadata"}, table


def test_all_timestamps_have_a_time_zone_and_no_number_is_binary(database: Database) -> None:
    with database.transaction() as conn:
        rows = conn.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns"
            " WHERE table_schema IN ('identity', 'catalog', 'subscriptions', 'invoicing')"
            " AND data_type IN ('timestamp without time zone', 'real', 'double precision')"
        ).fetchall()
    assert rows == []


@pytest.mark.parametrize(
    "table",
    [
        "catalog.meters",
        "catalog.plan_versions",
        "catalog.prices",
        "catalog.rate_cards",
        "catalog.plan_entitlements",
        "catalog.plan_phases",
        "catalog.rate_card_prices",
    ],
)
def test_final_rows_refuse_every_change(database: Database, table: str) -> None:
    with database.transaction() as conn:
        row = conn.execute(
            "SELECT string_agg(tgname, ',') AS names FROM pg_trigger"
            " WHERE tgrelid = %s::regclass AND tgfoid = 'bitemporal.refuse_change'::regproc"
            " AND tgqual IS NULL",
            (table,),
        ).fetchone()
    assert row == {"names": f"{table.split('.')[1]}_are_final"}


def test_a_history_has_the_columns_of_its_table(database: Database) -> None:
    with database.transaction() as conn:
        for table in (
            "catalog.pricing_plans",
            "subscriptions.customers",
            "subscriptions.payment_methods",
            "subscriptions.subscriptions",
        ):
            assert columns(conn, f"{table}_history") == columns(conn, table)


def test_clickhouse_statements_bear_repetition() -> None:
    # The runner may die between a statement and the ledger row; the next one runs the file again.
    for migration in discover("clickhouse"):
        for statement in migration.statements:
            assert is_repeatable(statement), f"{migration.name}: {statement[:60]}"


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE t (a Int8)",
        "ALTER TABLE t ADD COLUMN a Int8",
        "ALTER TABLE t\n    ADD COLUMN IF NOT EXISTS a Int8,\n    ADD COLUMN b Int8",
        "ALTER TABLE t RENAME COLUMN a TO b",
        "ALTER TABLE t UPDATE a = a + 1 WHERE b > 0",
    ],
)
def test_a_statement_that_fails_the_second_time_is_found(statement: str) -> None:
    assert not is_repeatable(statement)


def test_every_query_fits_the_schema(database: Database) -> None:
    names = {path.stem for path in (sql.ROOT / "postgres" / "queries").glob("*.sql")}
    refused = {}
    for name in sorted(names - {"create_schema_migrations"}):
        text = _numbered(sql.load(f"postgres/queries/{name}"))
        try:
            with database.transaction() as conn:
                # The server checks every name and type, and runs nothing.
                conn.execute(f"PREPARE {name} AS {text}".encode())
        except psycopg.ProgrammingError as error:
            refused[name] = str(error)
    assert refused == {}


def _numbered(query: str) -> str:
    """`%(name)s` and `%(name)b` → `$1`, the same number for the same name."""
    numbers: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return f"${numbers.setdefault(match[0], len(numbers) + 1)}"

    return re.sub(r"%\(\w+\)[sb]", number, query)
