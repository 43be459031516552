"""Every way to a customer is by an index, among 120,000 of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

import sql
from core.acting import Acting
from core.clock import ManualClock
from core.ids import TenantId
from db.postgres import Database, Role
from identity.tenants import ensure_tenant
from tests.plugins.logins import plain_login
from tests.subscriptions.customers.customer_world import START

TENANTS = 4
CUSTOMERS = 30_000
FILL = """
    INSERT INTO subscriptions.customers
        (id, tenant_id, slug, name, user_id, time_zone, currency, parent_id, deleted_at, valid_from,
         recorded_from)
    SELECT
        md5(%(tenant)s::text || n)::uuid, %(tenant)s::uuid, 'c-' || n, 'C',
        md5('user' || n)::uuid, 'UTC', 'EUR',
        CASE WHEN n %% 100 = 7 THEN md5(%(tenant)s::text || (n - 7))::uuid END,
        CASE WHEN n %% 1000 = 3 THEN %(now)s::timestamptz END, %(now)s, %(now)s
    FROM generate_series(0, %(count)s - 1) AS n
"""
LINKS = """
    INSERT INTO subscriptions.subjects
        (id, tenant_id, customer_id, subject, valid_from, recorded_from)
    SELECT gen_random_uuid(), tenant_id, id, 's-' || slug, %(now)s, %(now)s
    FROM subscriptions.customers WHERE tenant_id = %(tenant)s::uuid AND slug LIKE '%%0'
"""
BY_ID = "customers_pkey|customers_tenant_id_id_key"
PAGE = {"after": UUID(int=0), "limit": 51, "ids": None, "parent_id": None, "user_id": None,
        "deleted": False}  # fmt: skip


@pytest.fixture
def tenant_id(database: Database, clock: ManualClock) -> TenantId:
    """One of four tenants that look alike."""
    for number in range(TENANTS):
        with database.transaction() as conn:
            tenant = ensure_tenant(conn, clock, f"t-{number}", "T")[0].id
            values = {"tenant": str(tenant), "count": CUSTOMERS, "now": START}
            for statement in (FILL, LINKS):
                conn.execute(statement.encode(), values)
    with database.transaction() as conn:
        conn.execute("ANALYZE subscriptions.customers, subscriptions.subjects")
    return tenant


@pytest.fixture
def login(database_url: str) -> Iterator[str]:
    with plain_login(database_url, Role.API) as url:
        yield url


@pytest.mark.req("DEP-22")
def test_lists_and_look_ups_use_an_index(login: str, tenant_id: TenantId) -> None:
    """As the API's role, under row-level security; no scan of a table, and few rows read."""
    some = UUID(int=0xA)
    asked: list[tuple[str, dict[str, Any], str, int]] = [
        ("select_customer_page", PAGE, "customers_tenant_id_id_key", 60),
        ("select_customer_page", PAGE | {"deleted": True}, "customers_deleted", 60),
        ("select_customer_page", PAGE | {"parent_id": some}, "customers_by_parent", 5),
        ("select_customer_page", PAGE | {"user_id": some}, "customers_by_user", 5),
        (
            "select_customer_page",
            PAGE | {"ids": [some]},
            "customers_pkey|customers_tenant_id_id_key",
            5,
        ),
        ("select_customer_id", {"slug": "c-77"}, "customers_by_slug", 5),
        ("select_customer_children", {"id": some}, "customers_by_parent", 5),
        ("select_customers_of_subject", {"subject": "s-c-70"}, "subjects_by_subject", 5),
        (
            "select_subject_page",
            {"customer_id": some, "after": UUID(int=0), "limit": 51, "known_at": None},
            "subjects_by_age",
            5,
        ),
    ]
    with Database(login, Role.API) as db, db.transaction(Acting(tenant_id)) as conn:
        for query, values, index, rows in asked:
            row = conn.execute(
                f"EXPLAIN (ANALYZE, FORMAT JSON) {sql.load(f'postgres/queries/{query}')}".encode(),
                values | {"tenant_id": tenant_id},
                prepare=False,
            ).fetchone()
            assert row is not None
            [plan] = row["QUERY PLAN"]
            nodes = list(walk(plan["Plan"]))
            text = json.dumps(nodes)
            used = {node.get("Index Name", "") for node in nodes}
            assert used & set(index.split("|")), (query, text)
            assert "Seq Scan" not in text, (query, text)
            read = max(
                node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in nodes
            )
            assert read <= rows, (query, text)


def walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {name: value for name, value in node.items() if name != "Plans"}
    for below in node.get("Plans", []):
        yield from walk(below)
