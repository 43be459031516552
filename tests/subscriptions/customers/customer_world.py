"""Customers of a small tenant: what the tests of customers start from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from core.clock import ManualClock
from core.ids import TenantId
from db.postgres import Connection
from subscriptions.customers.customer import Customer
from subscriptions.customers.facts import NewCustomer, facts_of
from subscriptions.customers.register import Outcome, create_customer, ensure_customer

START = datetime(2024, 1, 1, tzinfo=UTC)
EVER = datetime(1970, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def told(slug: str = "contoso", **facts: Any) -> NewCustomer:
    return facts_of(NewCustomer, {"slug": slug, "name": slug.title(), "currency": "USD"} | facts)


def ensure(
    conn: Connection,
    clock: ManualClock,
    tenant_id: TenantId,
    slug: str = "contoso",
    **facts: Any,
) -> tuple[Customer, Outcome]:
    return ensure_customer(conn, clock, tenant_id, told(slug, **facts))


def create(
    conn: Connection, clock: ManualClock, tenant_id: TenantId, slug: str, **facts: Any
) -> Customer:
    return create_customer(conn, clock, tenant_id, told(slug, **facts))


def events(conn: Connection) -> list[str]:
    """What happened to customers, in order."""
    rows = conn.execute(
        "SELECT subject FROM outbox.billing_events WHERE subject LIKE 'customer.%%'"
        " ORDER BY ordinal",
        (),
    )
    return [row["subject"] for row in rows]
