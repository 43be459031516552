"""A customer's invoices are found by an index, among 80,000 of four tenants."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

import sql
from core.acting import Acting
from core.clock import ManualClock
from core.ids import TenantId
from db.postgres import Connection, Database, Role
from identity.tenants import ensure_tenant
from tests.invoicing.world import NOW
from tests.plugins.database import database, database_url

__all__ = ["database", "database_url"]

TENANTS = 4
INVOICES = 20_000
CUSTOMERS = 2_000
FILL = """
    INSERT INTO invoicing.invoices
        (id, tenant_id, billing_run_id, customer_id, subscription_id, plan_version_id, kind, status,
         series_id, number, number_text, period_start, period_end, time_zone, currency,
         subtotal_minor, total_minor, amount_due_minor, seller, buyer, plan, cut, content_hash,
         issued_at, due_at, created_at, finalised_at)
    SELECT
        md5(%(tenant)s::text || n)::uuid, %(tenant)s::uuid, gen_random_uuid(),
        md5('customer' || n %% %(customers)s)::uuid, md5(%(tenant)s::text || '/' || n)::uuid,
        gen_random_uuid(), 'period', 'open', %(tenant)s::uuid, n + 1, 'INV-' || n, %(now)s,
        %(now)s::timestamptz + interval '1 month', 'UTC', 'EUR', 1, 1, 1, '{}', '{}', '{}', '{}',
        repeat('0', 64), %(now)s, %(now)s, %(now)s, %(now)s
    FROM generate_series(0, %(count)s - 1) AS n
"""
LIMIT = 51
PAGE = {"after": UUID(int=0), "limit": LIMIT, "customer_id": None}


@pytest.fixture
def tenant_id(database: Database) -> TenantId:
    """One of four that look alike."""
    for number in range(TENANTS):
        with database.transaction() as conn:
            tenant = ensure_tenant(conn, ManualClock(NOW), f"t-{number}", "T")[0].id
            conn.execute("SET LOCAL session_replication_role = replica")  # no parties, no lines
            values = {"tenant": str(tenant), "count": INVOICES, "customers": CUSTOMERS, "now": NOW}
            conn.execute(FILL.encode(), values)
    with database.transaction() as conn:
        conn.execute("ANALYZE invoicing.invoices")
    return tenant


@pytest.mark.req("DEP-22")
def test_invoices_are_listed_by_customer_with_the_index_of_it(
    database_url: str, tenant_id: TenantId
) -> None:
    """As the API's role, under row-level security."""
    with Database(database_url, Role.API) as db, db.transaction(Acting(tenant_id)) as conn:
        row = conn.execute("SELECT md5('customer7')::uuid AS id").fetchone()
        assert row is not None
        for asked, index in (
            (PAGE | {"customer_id": row["id"]}, "invoices_by_customer"),
            (PAGE, "invoices_tenant_id_id_key"),
        ):
            nodes = list(walk(plan_of(conn, asked | {"tenant_id": tenant_id})))
            shown = [
                (n["Node Type"], n.get("Index Name"), n.get("Relation Name"), n["Actual Rows"])
                for n in nodes
            ]
            assert {node.get("Index Name") for node in nodes} >= {index}, shown
            assert "Seq Scan" not in {node["Node Type"] for node in nodes}, nodes
            read = max(
                node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in nodes
            )
            assert read <= LIMIT, nodes


def plan_of(conn: Connection, values: dict[str, Any]) -> dict[str, Any]:
    query = sql.load("postgres/queries/select_invoice_page")
    row = conn.execute(
        f"EXPLAIN (ANALYZE, FORMAT JSON) {query}".encode(), values, prepare=False
    ).fetchone()
    assert row is not None
    [plan] = row["QUERY PLAN"]
    found: dict[str, Any] = plan["Plan"]
    return found


def walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {name: value for name, value in node.items() if name != "Plans"}
    for below in node.get("Plans", []):
        yield from walk(below)
