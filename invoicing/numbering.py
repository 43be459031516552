"""Numbers 1..n without a gap, given once, when all drafts of a run are in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import sql
from core.clock import Clock
from core.ids import TenantId, format_id, new_uuid
from core.money import Currency
from db.outbox import Change, append
from db.postgres import Connection
from invoicing.runs import BillingRun


def series_id(conn: Connection, clock: Clock, tenant_id: TenantId, prefix: str) -> UUID:
    """The tenant's number series behind `prefix`, created at its first use."""
    values = {"id": new_uuid(clock), "tenant_id": tenant_id, "prefix": prefix}
    conn.execute(sql.load("postgres/queries/insert_number_series"), values)
    row = conn.execute(sql.load("postgres/queries/select_number_series"), values).fetchone()
    assert row is not None, "inserted above, and series are never deleted"
    found: UUID = row["id"]
    return found


def number_drafts(conn: Connection, clock: Clock, run: BillingRun) -> None:
    """Number and open every draft of the run, ordered by customer, subscription, period start.

    Two statements on purpose: the second sees all that the previous holder of the lock committed,
    so a draft is never counted twice. With no draft left it does nothing.
    """
    conn.execute(sql.load("postgres/queries/lock_number_series"), {"tenant_id": run.tenant_id})
    conn.execute(
        sql.load("postgres/queries/number_drafts"),
        {
            "tenant_id": run.tenant_id,
            "billing_run_id": run.run_id,
            "finalised_at": clock.now(),
        },
    )
    rows = conn.execute(
        sql.load("postgres/queries/select_finalised"),
        {"tenant_id": run.tenant_id, "billing_run_id": run.run_id},
    )
    append(conn, clock, run.tenant_id, *(_finalised(row) for row in rows))


def _finalised(row: dict[str, Any]) -> Change:
    currency = Currency(row["currency"])
    invoice = format_id("inv", row["id"])
    facts: dict[str, Any] = {
        "id": invoice,
        "number": row["number_text"],
        "customer": format_id("cus", row["customer_id"]),
        "total": {"amount": currency.format_minor(row["total_minor"]), "currency": currency.code},
    }
    if row["for_customer_id"] is not None:
        facts["for"] = format_id("cus", row["for_customer_id"])
    if row["group_ids"] is not None:
        facts["groups"] = [format_id("inv", each) for each in row["group_ids"]]
    else:
        facts["subscription"] = format_id("sub", row["subscription_id"])
    return Change("invoice.finalised", invoice, facts)
