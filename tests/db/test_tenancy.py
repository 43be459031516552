"""Tenants are closed to each other by the database, whatever a statement forgets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
import pytest
from psycopg import errors
from psycopg import sql as compose

import sql
from core.acting import Acting
from core.errors import DependencyDownError
from core.ids import TenantId
from db.postgres import Connection, Database, Role, act
from db.tenancy import find_offenders
from identity.tenants import list_tenants
from tests.plugins.logins import plain_login
from tests.subscriptions.world import apply, customer, document, subscription

OWN = re.compile(
    r"subscriptions\.(subjects|payment_methods|subscription_\w+)"
    r"|catalog\.(plan_version|pricing_plan)s"
)
"""What is shown of a user's customers; tests/api/test_own.py has which rows."""

ALICE, BOB = UUID(int=0xA), UUID(int=0xB)
OF_ALL = """
    SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.columns
    JOIN information_schema.tables USING (table_schema, table_name)
    WHERE column_name = 'tenant_id' AND table_type = 'BASE TABLE'
      AND table_schema NOT IN ('information_schema', 'pg_catalog')
    ORDER BY 1"""
"""Tables that say whose each row is."""


@pytest.fixture
def tenants(database: Database) -> tuple[TenantId, TenantId]:
    """Two platforms with the same meters, plans, customers, subscriptions and keys."""
    made = [apply(database, of_tenant(slug)).tenant_id for slug in ("acme", "zeta")]
    return made[0], made[1]


def of_tenant(slug: str) -> dict[str, Any]:
    return document(
        tenant={"slug": slug, "name": slug.title()},
        customers=[customer("globex"), customer("initech")],
        subscriptions=[subscription("globex"), subscription("initech")],
    )


@pytest.fixture
def login(database_url: str) -> Iterator[str]:
    """Somebody who may be any of the roles, and is nothing by themselves."""
    with plain_login(database_url, *Role) as url:
        yield url


def tables(conn: Connection) -> list[str]:
    return [row["name"] for row in conn.execute(OF_ALL)]


def owners_seen(conn: Connection, table: str) -> set[TenantId]:
    schema, name = table.split(".")
    statement = compose.SQL("SELECT DISTINCT tenant_id FROM {}")
    rows = conn.execute(statement.format(compose.Identifier(schema, name)))
    return {row["tenant_id"] for row in rows}


@pytest.mark.req("SEC-07", "SEC-08")
def test_nothing_in_the_schemas_could_show_one_tenant_another(database: Database) -> None:
    with database.transaction() as conn:
        assert find_offenders(conn) == []


BROKEN = {
    "CREATE TABLE catalog.notes (id uuid PRIMARY KEY)": {
        "has no forced row-level security",
        "has no policy for its tenant",
        "has no tenant_id that is never null",
    },
    "ALTER TABLE catalog.meters NO FORCE ROW LEVEL SECURITY": {"has no forced row-level security"},
    "ALTER TABLE catalog.meters DISABLE ROW LEVEL SECURITY": {"has no forced row-level security"},
    "DROP POLICY own_tenant ON catalog.meters": {"has no policy for its tenant"},
    "ALTER POLICY own_tenant ON catalog.meters"
    " USING (tenant_id = (SELECT tenancy.whole_tenant_id()) OR slug <> '')": {
        "has no policy for its tenant"
    },
    "CREATE POLICY twisted ON catalog.meters"
    " USING (tenancy.tenant_id() IS NOT NULL OR tenancy.user_id() IS NULL)": {
        "has the policy twisted, which does not ask for the tenant"
    },
    "CREATE POLICY mine ON catalog.meters USING (true)": {
        "has the policy mine, which does not ask for the tenant"
    },
    "CREATE VIEW catalog.shown AS SELECT * FROM catalog.meters": {
        "is a view that runs as its owner"
    },
    "CREATE POLICY half ON catalog.meters USING (tenant_id = tenancy.tenant_id()"
    " AND tenancy.user_id() IS NULL) WITH CHECK (true)": {
        "has the policy half, which does not ask for the tenant"
    },
    "CREATE POLICY whole ON catalog.prices USING (tenant_id = tenancy.tenant_id())": {
        "has the policy whole, which does not ask for the tenant"
    },
    "DROP POLICY snapshot_of_all ON catalog.meters;"
    " CREATE POLICY snapshot_of_all ON catalog.meters FOR SELECT USING (true)": {
        "has the policy snapshot_of_all, which does not ask for the tenant"
    },
    "GRANT SELECT (slug) ON catalog.meters TO PUBLIC": {"is open to everybody"},
    "CREATE MATERIALIZED VIEW catalog.kept AS SELECT * FROM catalog.meters": {
        "is a view that runs as its owner"
    },
    "CREATE FUNCTION catalog.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'": {
        "is a function that runs as its owner"
    },
    "GRANT SELECT ON catalog.meters TO PUBLIC": {"is open to everybody"},
    "ALTER TABLE catalog.meters OWNER TO tollbook_api": {"is a role that owns catalog.meters"},
    "ALTER TABLE catalog.rate_cards ADD FOREIGN KEY (price_id) REFERENCES catalog.prices (id)": {
        "refers to catalog.prices without the tenant"
    },
}


@pytest.mark.parametrize("statement", BROKEN)
def test_what_would_show_one_is_named(database: Database, statement: str) -> None:
    with database.transaction() as conn, conn.transaction(force_rollback=True):
        conn.execute(statement.encode())
        assert {each.problem for each in find_offenders(conn)} == BROKEN[statement]


def test_what_belongs_to_somebody_else_in_the_database_is_not_ours_to_judge(
    database: Database,
) -> None:
    with database.transaction() as conn, conn.transaction(force_rollback=True):
        conn.execute("CREATE TABLE public.other_app (id integer)")
        conn.execute("CREATE VIEW public.other_view AS SELECT * FROM public.other_app")
        conn.execute("SET LOCAL search_path = tenancy, catalog, public")
        conn.execute("CREATE VIEW catalog.safe WITH (security_invoker=on) AS SELECT 1 AS n")
        assert find_offenders(conn) == []


def test_every_schema_of_ours_is_looked_at(database: Database) -> None:
    with database.transaction() as conn:
        rows = conn.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_'"
            " AND nspname NOT IN ('information_schema', 'public')"
        )
        looked_at = sql.load("postgres/queries/select_tenancy_offenders")
        assert [row["nspname"] for row in rows if f"'{row['nspname']}'" not in looked_at] == []


@pytest.mark.req("SEC-01", "SEC-07", "SEC-08")
@pytest.mark.parametrize("role", [Role.API, Role.BILLING, Role.OPERATOR])
def test_a_statement_without_where_sees_its_own_tenant_only(
    login: str, database: Database, tenants: tuple[TenantId, TenantId], role: Role
) -> None:
    mine, theirs = tenants
    with database.transaction() as conn:
        filled = {name for name in tables(conn) if owners_seen(conn, name) >= {mine, theirs}}
    assert len(filled) >= 10
    with Database(login, role) as restricted, restricted.transaction(Acting(mine)) as conn:
        allowed = 0
        for name in filled:
            try:
                with conn.transaction():
                    assert owners_seen(conn, name) == {mine}, name
                    allowed += 1
            except errors.InsufficientPrivilege:
                pass
        assert allowed >= 5
        if role is not Role.BILLING:
            updated = conn.execute("UPDATE catalog.pricing_plans SET recorded_from = now()")
            with database.transaction() as owner:
                rows = owner.execute(
                    "SELECT FROM catalog.pricing_plans WHERE tenant_id = %s", (mine,)
                )
                assert updated.rowcount == rows.rowcount > 0


def test_the_same_statement_leaks_when_the_guard_is_off(
    login: str, database: Database, tenants: tuple[TenantId, TenantId]
) -> None:
    with database.transaction() as conn:
        conn.execute("ALTER TABLE catalog.meters DISABLE ROW LEVEL SECURITY")
    with Database(login, Role.API) as api, api.transaction(Acting(tenants[0])) as conn:
        assert owners_seen(conn, "catalog.meters") == set(tenants)


@pytest.mark.req("SEC-01")
def test_rows_of_another_tenant_cannot_be_written_or_referred_to(
    login: str, tenants: tuple[TenantId, TenantId]
) -> None:
    mine, theirs = tenants
    insert = "INSERT INTO identity.idempotency_keys VALUES (%s, 'k', repeat('0', 64), '{}', now())"
    move = "UPDATE subscriptions.customers SET tenant_id = %s, recorded_from = now()"
    act_again = "SELECT tenancy.act(%s, NULL, 'x', '', '')"
    with Database(login, Role.API) as api:
        for statement in (insert, move, act_again):
            with (
                pytest.raises((errors.InsufficientPrivilege, errors.ForeignKeyViolation)),
                api.transaction(Acting(mine)) as conn,
            ):
                conn.execute(statement.encode(), (theirs,))


@pytest.mark.req("SEC-08")
def test_a_connection_of_the_pool_carries_no_tenant_over(
    login: str, tenants: tuple[TenantId, TenantId]
) -> None:
    with Database(login, Role.API, connections_max=1) as api:
        for tenant_id in (*tenants, *tenants):
            with api.transaction(Acting(tenant_id)) as conn:
                assert owners_seen(conn, "catalog.meters") == {tenant_id}
            with api.transaction() as conn:
                assert owners_seen(conn, "catalog.meters") == set()
            with pytest.raises(errors.DivisionByZero), api.transaction(Acting(tenant_id)) as conn:
                conn.execute("SELECT 1 / 0")
            with api.transaction(snapshot=True) as conn:
                assert owners_seen(conn, "subscriptions.customers") == set()


@pytest.mark.req("DEP-03", "DEP-16")
def test_a_role_cannot_read_what_its_process_does_not_need(
    login: str, tenants: tuple[TenantId, TenantId]
) -> None:
    closed = {
        Role.SNAPSHOT: ["subscriptions.customers", "invoicing.invoices", "catalog.prices"],
        Role.BILLING: ["identity.api_keys", "identity.idempotency_keys", "corrections.operations"],
        Role.API: ["public.schema_migrations"],
    }
    for role, names in closed.items():
        for name in names:
            with (
                Database(login, role) as db,
                pytest.raises(errors.InsufficientPrivilege),
                db.transaction(Acting(tenants[0])) as conn,
            ):
                conn.execute(f"SELECT FROM {name}".encode())
    with (
        Database(login, Role.API) as db,
        pytest.raises(errors.InsufficientPrivilege),
        db.transaction(Acting(tenants[0])) as conn,
    ):
        conn.execute("INSERT INTO identity.tenants SELECT * FROM identity.tenants")
    with (
        Database(login) as nothing,
        pytest.raises(errors.InsufficientPrivilege),
        nothing.transaction(Acting(tenants[0])) as conn,
    ):
        conn.execute("SELECT FROM catalog.meters")


def test_the_data_plane_reads_meters_and_keys_of_all_and_writes_nothing(
    login: str, tenants: tuple[TenantId, TenantId]
) -> None:
    with Database(login, Role.SNAPSHOT) as db, db.transaction() as conn:
        assert owners_seen(conn, "catalog.meters") == set(tenants)
        assert owners_seen(conn, "identity.api_keys") == set(tenants)
        assert {tenant.id for tenant in list_tenants(conn)} == set(tenants)
    for statement in (
        "UPDATE identity.api_keys SET revoked_at = NULL",
        "DELETE FROM catalog.meters",
    ):
        with (
            Database(login, Role.SNAPSHOT) as db,
            pytest.raises(errors.InsufficientPrivilege),
            db.transaction() as conn,
        ):
            conn.execute(statement.encode())


@pytest.mark.req("SEC-07")
def test_a_user_sees_their_own_customer_and_its_subscriptions_and_no_more(
    login: str, database: Database, tenants: tuple[TenantId, TenantId]
) -> None:
    with database.transaction() as conn:
        for user, slug in ((ALICE, "globex"), (BOB, "initech")):
            conn.execute(
                "UPDATE subscriptions.customers SET user_id = %s, recorded_from = now()"
                " WHERE slug = %s",
                (user, slug),
            )
    seen = {}
    for user in (ALICE, BOB, UUID(int=0xC)):
        with (
            Database(login, Role.API) as db,
            db.transaction(Acting(tenants[0], user_id=user)) as conn,
        ):
            customers = conn.execute(
                "SELECT slug, tenant_id FROM subscriptions.customers"
            ).fetchall()
            owned = conn.execute(
                "SELECT customer.slug, customer.tenant_id FROM subscriptions.subscriptions"
                " JOIN subscriptions.customers AS customer ON customer.id = customer_id"
            ).fetchall()
            assert {row["tenant_id"] for row in customers + owned} <= {tenants[0]}
            seen[user] = [{row["slug"] for row in rows} for rows in (customers, owned)]
            for name in tables(conn):
                if name not in {"subscriptions.customers", "subscriptions.subscriptions"}:
                    theirs = {tenants[0]} if OWN.fullmatch(name) and customers else set()
                    try:
                        with conn.transaction():
                            assert owners_seen(conn, name) <= theirs, name
                    except errors.InsufficientPrivilege:
                        pass
            for name in ("customers", "subscriptions"):
                changed = f"UPDATE subscriptions.{name} SET recorded_from = now()".encode()
                assert conn.execute(changed).rowcount == 0
    assert seen == {
        ALICE: [{"globex"}, {"globex"}],
        BOB: [{"initech"}, {"initech"}],
        UUID(int=0xC): [set(), set()],
    }


def test_a_transaction_of_a_user_stays_that_users(
    login: str, tenants: tuple[TenantId, TenantId]
) -> None:
    mine, _ = tenants
    with Database(login, Role.API) as api:
        for first, second in (
            (Acting(mine, user_id=ALICE), Acting(mine)),
            (Acting(mine, user_id=ALICE), Acting(mine, user_id=BOB)),
            (Acting(mine), Acting(mine, user_id=ALICE)),
        ):
            with pytest.raises(errors.InsufficientPrivilege), api.transaction(first) as conn:
                act(conn, second)


def test_a_connection_forgets_what_a_statement_made_it_keep(
    login: str, tenants: tuple[TenantId, TenantId]
) -> None:
    with Database(login, Role.API, connections_max=1) as api:
        with api.transaction() as conn:
            conn.execute("SELECT set_config('tollbook.tenant_id', %s, false)", (str(tenants[1]),))
        with api.transaction() as conn:
            assert owners_seen(conn, "catalog.meters") == set()


def test_the_counter_of_meters_only_counts(login: str, tenants: tuple[TenantId, TenantId]) -> None:
    for statement in (
        "UPDATE catalog.catalog_version SET version = 16777215",
        "UPDATE catalog.catalog_version SET version = version",
        "DELETE FROM catalog.catalog_version",
    ):
        with (
            Database(login, Role.API) as api,
            pytest.raises((errors.IntegrityConstraintViolation, errors.InsufficientPrivilege)),
            api.transaction(Acting(tenants[0])) as conn,
        ):
            conn.execute(statement.encode())


def test_a_login_that_may_not_take_the_role_on_is_told_how(database_url: str, login: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(f"REVOKE tollbook_api FROM {urlsplit(login).username}".encode())
    with (
        pytest.raises(DependencyDownError, match="GRANT tollbook_api to this login"),
        Database(login, Role.API) as db,
        db.transaction(),
    ):
        pass
