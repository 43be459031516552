"""Billing runs in Postgres: started once per instant, found again after a kill, finished once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from psycopg.types.json import Jsonb

import sql
from core.clock import Clock
from core.errors import TollbookError
from core.ids import BillingRunId, CustomerId, TenantId, new_uuid
from db.postgres import Connection
from usage.cut import Cut


@dataclass(frozen=True, slots=True)
class BillingRun:
    """One closing: its instant and its cut are fixed when it starts."""

    run_id: BillingRunId
    tenant_id: TenantId
    as_of: datetime
    cut: Cut


@dataclass(frozen=True, slots=True)
class ParkedCustomer:
    """A customer that a run could not bill, and why."""

    customer_id: CustomerId
    error_code: str
    error_message: str


def parked_by(customer_id: CustomerId, error: Exception) -> ParkedCustomer:
    """The customer with the error's code and its text."""
    code = error.code if isinstance(error, TollbookError) else type(error).__name__
    return ParkedCustomer(customer_id, code, str(error).strip())


def start_run(
    conn: Connection, clock: Clock, tenant_id: TenantId, as_of: datetime, cut: Cut
) -> None:
    """Write a run down, unless one of this instant is unfinished: then that one goes on."""
    conn.execute(
        sql.load("postgres/queries/insert_billing_run"),
        {
            "id": new_uuid(clock),
            "tenant_id": tenant_id,
            "as_of": as_of,
            "cut": Jsonb(cut.offsets),
            "started_at": clock.now(),
        },
    )


def unfinished_runs(conn: Connection, tenant_id: TenantId) -> list[BillingRun]:
    """The tenant's runs that are under way or were killed, the earliest instant first."""
    rows = conn.execute(
        sql.load("postgres/queries/select_unfinished_billing_runs"), {"tenant_id": tenant_id}
    )
    return [
        BillingRun(BillingRunId(row["id"]), tenant_id, row["as_of"], Cut(row["cut"]))
        for row in rows
    ]


def lock_run(conn: Connection, run: BillingRun, *, shared: bool = False) -> bool:
    """Hold an unfinished run until commit; False when it is finished.

    Writers of drafts hold it shared, so that whoever numbers finds all drafts committed.
    """
    query = "lock_billing_run_shared" if shared else "lock_billing_run"
    return (
        conn.execute(
            sql.load(f"postgres/queries/{query}"), {"id": run.run_id, "tenant_id": run.tenant_id}
        ).fetchone()
        is not None
    )


def finish_run(conn: Connection, clock: Clock, run: BillingRun) -> None:
    """Mark a run finished; again does nothing."""
    conn.execute(
        sql.load("postgres/queries/finish_billing_run"),
        {"id": run.run_id, "tenant_id": run.tenant_id, "finished_at": clock.now()},
    )


def park_customer(
    conn: Connection, clock: Clock, run: BillingRun, customer_id: CustomerId, error: Exception
) -> None:
    """Write down why a run left a customer out. The customer stays due."""
    parked = parked_by(customer_id, error)
    conn.execute(
        sql.load("postgres/queries/insert_parked_customer"),
        {
            "id": new_uuid(clock),
            "tenant_id": run.tenant_id,
            "billing_run_id": run.run_id,
            "customer_id": customer_id,
            "error_code": parked.error_code,
            "error_message": parked.error_message,
            "parked_at": clock.now(),
        },
    )


def unpark_customers(
    conn: Connection, run: BillingRun, customer_ids: Collection[CustomerId]
) -> None:
    """Forget that the run left them out: a later try of the same run succeeded."""
    conn.execute(
        sql.load("postgres/queries/delete_parked_customers"),
        {
            "tenant_id": run.tenant_id,
            "billing_run_id": run.run_id,
            "customer_ids": sorted(customer_ids),
        },
    )


def parked_customers(conn: Connection, run: BillingRun) -> list[ParkedCustomer]:
    """Who a run left out, by customer id."""
    rows = conn.execute(
        sql.load("postgres/queries/select_parked_customers"),
        {"tenant_id": run.tenant_id, "billing_run_id": run.run_id},
    )
    return [
        ParkedCustomer(CustomerId(row["customer_id"]), row["error_code"], row["error_message"])
        for row in rows
    ]
