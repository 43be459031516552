"""One plan has many subscriptions, one subscription many usage records: Postgres itself says so."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from psycopg import errors
from psycopg import sql as compose
from psycopg.types.json import Jsonb

import sql
from catalog.features import create_feature
from core.acting import Acting
from core.clock import SystemClock
from core.ids import TenantId, new_uuid
from db.postgres import Connection, Database, Role
from subscriptions.customers.customer import find_customer
from tests.plugins.database import do
from tests.subscriptions.operating import JANUARY, Desk, open_desk

NOWHERE = UUID(int=7)
COPY = """
INSERT INTO subscriptions.subscriptions ({columns})
SELECT {columns} FROM (
    SELECT (jsonb_populate_record(known, %(changes)s)).*
    FROM subscriptions.subscriptions AS known WHERE slug = 'sub-1'
) AS copied
"""
WRITTEN = """
SELECT string_agg(quote_ident(attname), ', ') AS columns FROM pg_attribute
WHERE attrelid = 'subscriptions.subscriptions'::regclass
    AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""


@pytest.fixture
def desk(database: Database) -> Desk:
    """Four subscriptions of the same plan version, one of another plan."""
    desk = open_desk(database)
    for number in (1, 2, 3, 4):
        desk.subscribe(f"sub-{number}", subjects=(f"subject-{number}",))
    desk.subscribe("other", plan="pictures")
    return desk


@pytest.fixture
def elsewhere(desk: Desk) -> Desk:
    """Another tenant with plans of the same names."""
    return open_desk(desk.database, tenant={"slug": "zeta", "name": "Zeta"})


def as_application(desk: Desk, statement: str, **values: Any) -> int:
    """Raw SQL in the application's role, for the tenant; how many rows it met."""
    with (
        Database(desk.database._url, Role.API) as api,
        api.transaction(Acting(desk.tenant_id)) as conn,
    ):
        return conn.execute(statement.encode(), values).rowcount


def copy(desk: Desk, **changes: Any) -> int:
    """Write `sub-1` once more, under another name and with these changes."""
    new = {"id": str(new_uuid(SystemClock())), "slug": "copy"} | changes
    with desk.database.transaction() as owner:
        [row] = owner.execute(WRITTEN)
    query = COPY.format(columns=row["columns"])
    return as_application(desk, query, changes=Jsonb({k: str(v) for k, v in new.items()}))


def delete(database: Database, table: str, *, triggers: bool = True) -> None:
    """As the owner, who may; without triggers only keys are left to refuse it."""
    name = compose.Identifier(*table.split("."))
    with database.transaction() as owner:
        if not triggers:
            owner.execute(compose.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(name))
        owner.execute(compose.SQL("DELETE FROM {}").format(name))


@pytest.mark.req("SUB-22")
def test_one_plan_version_has_many_subscriptions(desk: Desk) -> None:
    with desk.database.transaction() as conn:
        rows = conn.execute(
            "SELECT plan.slug, version.number FROM subscriptions.subscriptions AS one"
            " JOIN catalog.pricing_plans AS plan ON plan.id = one.plan_id"
            " JOIN catalog.plan_versions AS version ON version.id = one.plan_version_id"
        ).fetchall()
    many = Counter((row["slug"], row["number"]) for row in rows)
    assert many == {("standard", 1): 4, ("pictures", 1): 1}
    assert copy(desk) == 1, "a fifth, in raw SQL"


@pytest.mark.req("SUB-22")
@pytest.mark.parametrize("column", ["plan_id", "plan_version_id", "customer_id"])
def test_a_subscription_of_what_there_is_not_is_refused(desk: Desk, column: str) -> None:
    with pytest.raises(errors.ForeignKeyViolation):
        copy(desk, **{column: NOWHERE})
    with pytest.raises(errors.ForeignKeyViolation):
        as_application(
            desk,
            f"UPDATE subscriptions.subscriptions SET {column} = %(id)s,"
            " recorded_from = recorded_from + interval '1 second' WHERE slug = 'sub-1'",
            id=NOWHERE,
        )


@pytest.mark.req("SUB-22")
def test_a_subscription_of_another_tenants_plan_is_refused(desk: Desk, elsewhere: Desk) -> None:
    theirs = elsewhere.version("standard")
    assert theirs != desk.version("standard")
    with pytest.raises(errors.ForeignKeyViolation):
        copy(desk, plan_version_id=theirs)


@pytest.mark.req("SUB-22")
def test_a_subscription_is_of_a_version_of_its_own_plan(desk: Desk) -> None:
    with pytest.raises(errors.ForeignKeyViolation):
        copy(desk, plan_version_id=desk.version("pictures"))


@pytest.mark.req("SUB-22")
@pytest.mark.parametrize(
    "table",
    ["catalog.pricing_plans", "catalog.plan_versions", "subscriptions.customers"],
)
def test_what_is_subscribed_to_cannot_be_deleted(desk: Desk, table: str) -> None:
    """The application may delete nothing, a trigger refuses the owner, and so do the keys alone."""
    with pytest.raises(errors.InsufficientPrivilege):
        as_application(desk, f"DELETE FROM {table}")
    with pytest.raises(errors.IntegrityConstraintViolation):
        delete(desk.database, table)
    with pytest.raises(errors.ForeignKeyViolation):
        delete(desk.database, table, triggers=False)


def use(conn: Connection, desk: Desk, subscription: UUID, feature: UUID, quantity: int) -> None:
    """Write a usage record, as `POST /v1/usage/track` does."""
    record = new_uuid(SystemClock())
    row = {
        "id": record,
        "tenant_id": desk.tenant_id,
        "subscription_id": subscription,
        "customer_id": find_customer(conn, desk.tenant_id, "contoso").id,
        "feature_id": feature,
        "usage_type": "calls",
        "quantity": quantity,
        "start": JANUARY,
        "end": JANUARY + timedelta(days=31),
        "subject": "subject-1",
        "event_type": "llm.request",
        "event_key": record.bytes,
        "data": "{}",
        "occurred_at": JANUARY,
        "created_at": JANUARY,
        "metadata": Jsonb({}),
    }
    conn.execute(sql.load("postgres/queries/insert_usage_record"), row)


def used(database: Database) -> dict[str, tuple[int, int]]:
    """Of each subscription: how many records, and what they come to."""
    with database.transaction() as conn:
        rows = conn.execute(
            "SELECT one.slug, count(record.id) AS many, coalesce(sum(record.quantity), 0) AS used"
            " FROM subscriptions.subscriptions AS one"
            " LEFT JOIN entitlements.usage_records AS record ON record.subscription_id = one.id"
            " GROUP BY one.slug"
        ).fetchall()
    return {row["slug"]: (row["many"], int(row["used"])) for row in rows}


@pytest.mark.req("SUB-22")
def test_one_subscription_has_many_usage_records(desk: Desk) -> None:
    tenant: TenantId = desk.tenant_id
    feature = do(
        desk.database, create_feature, desk.clock, tenant,
        slug="calls", name="Calls", kind="metered", meter="tokens",
    ).id  # fmt: skip
    with (
        Database(desk.database._url, Role.API) as api,
        api.transaction(Acting(tenant)) as conn,
    ):
        for quantity in range(1, 51):
            use(conn, desk, desk.find("sub-1").id, feature, quantity)
        use(conn, desk, desk.find("sub-2").id, feature, 7)
    assert used(desk.database) == {
        "sub-1": (50, 50 * 51 // 2),
        "sub-2": (1, 7),
        **dict.fromkeys(("sub-3", "sub-4", "other"), (0, 0)),
    }

    with (
        pytest.raises(errors.ForeignKeyViolation),
        Database(desk.database._url, Role.API) as api,
        api.transaction(Acting(tenant)) as conn,
    ):
        use(conn, desk, NOWHERE, feature, 1)
    with pytest.raises(errors.ForeignKeyViolation):
        delete(desk.database, "subscriptions.subscriptions", triggers=False)
    assert used(desk.database)["sub-1"] == (50, 1275)
