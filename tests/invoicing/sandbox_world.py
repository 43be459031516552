"""A year of three customers, in a sandbox or told afterwards: for tests of the walk.

`python -m tests.invoicing.sandbox_world URL SLUG TO CRASH_AT` walks a sandbox to TO in a process of
its own and ends it with `os._exit(9)` at step number CRASH_AT.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import polars as pl

from catalog.meters import MeterDefinition
from core.acting import Acting
from core.clock import SystemClock
from core.ids import TenantId
from core.period import Period
from db.postgres import Database
from identity.sandboxes import clock_of, create_sandbox
from invoicing.model import Invoice
from invoicing.sandbox_walk import SandboxWalker
from invoicing.store import select_invoices
from subscriptions.commands import Cancel
from subscriptions.life.new_body import parse_new
from subscriptions.life.operate import perform
from subscriptions.setup import apply_catalog
from tests.invoicing.builders import OneQuantity, period_usage_frame
from tests.subscriptions.world import document, meter
from usage.cut import Cut

KILLED = 9
START = datetime(2024, 1, 1, tzinfo=UTC)
END = datetime(2025, 2, 1, tzinfo=UTC)
LEAVES = datetime(2024, 6, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class EveryHour(OneQuantity):
    """Each subject uses one token in each hour; `reached` is told of each look at usage."""

    def __init__(self, reached: Callable[[], None] = lambda: None) -> None:
        self._reached = reached

    def cut(self) -> Cut:
        self._reached()
        return Cut({"1/0": 1})

    def period_usage(
        self,
        tenant_id: TenantId,
        meters: Sequence[MeterDefinition],
        period: Period,
        cut: Cut,
        subjects: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        del tenant_id, cut
        self._reached()
        hours = Decimal((period.end - period.start) // HOUR)
        return period_usage_frame(
            [(str(each.id), subject, hours, 1, 0) for each in meters for subject in subjects or ()]
        )


def catalog(slug: str) -> dict[str, Any]:
    """A plan of 30.00 a month and 0.01 per token; Ada lives in Berlin, the others by UTC."""
    fee = {"key": "fee", "name": "Fee", "price": {"model": "flat", "amount": "30.00"}}
    price = {"model": "per_unit", "amount": "0.01"}
    lines = [fee, {"key": "tokens", "name": "Tokens", "meter": "tokens", "price": price}]
    plan = {"slug": "standard", "name": "Standard", "currency": "EUR", "rate_cards": lines}
    zones = {"ada": "Europe/Berlin", "bob": "UTC", "eve": "UTC"}
    people = [
        {
            "slug": name,
            "name": name.title(),
            "currency": "EUR",
            "time_zone": zone,
            "subjects": [f"{name}-app"],
        }
        for name, zone in zones.items()
    ]
    tenant = {"slug": slug, "name": "Trial Ltd"}
    return document(
        tenant=tenant, meters=[meter()], plans=[plan], customers=people, subscriptions=[]
    )


def tell(db: Database, tenant_id: TenantId, as_of: datetime | None) -> None:
    """Ada stays from 31 January on, Bob only tries it, Eve leaves in June; told now, or `as_of`."""
    for new in (
        {"slug": "ada", "customer": "ada", "start": "2024-01-31T00:00:00+01:00"},
        {
            "slug": "bob",
            "customer": "bob",
            "start": "2024-01-01T00:00:00Z",
            "trial_days": 14,
            "trial_converts": False,
        },
        {"slug": "eve", "customer": "eve", "start": "2024-01-01T00:00:00Z"},
    ):
        body = parse_new({**new, "plan": "standard"})
        with db.transaction(Acting(tenant_id, "story")) as conn:
            body.create(conn, clock_of(conn, SystemClock(), tenant_id), tenant_id)
    with db.transaction(Acting(tenant_id, "story")) as conn:
        clock = clock_of(conn, SystemClock(), tenant_id)
        perform(conn, clock, tenant_id, "eve", Cancel(LEAVES), as_of=as_of)


def found_sandbox(url: str, slug: str = "trial") -> TenantId:
    """A sandbox whose time is the start of 2024, with the story told."""
    with Database(url) as db:
        with db.transaction() as conn:
            tenant, _ = create_sandbox(conn, SystemClock(), slug, "Trial Ltd", START)
        apply_catalog(db, SystemClock(), catalog(slug))
        tell(db, tenant.id, None)
    return tenant.id


@dataclass(frozen=True)
class Told:
    """An invoice without what differs between tenants: its ids, its marks."""

    buyer: str
    period: Period
    issued_at: datetime
    due_at: datetime
    lines: list[tuple[str, Period, Decimal, int]]
    total: int


def told_of(invoice: Invoice) -> Told:
    return Told(
        invoice.buyer["name"],
        invoice.period,
        invoice.issued_at,
        invoice.due_at,
        [(each.line_key, each.service, each.quantity, each.amount_minor) for each in invoice.lines],
        invoice.total_minor,
    )


def invoices_of(db: Database, tenant_id: TenantId) -> list[Invoice]:
    """By number."""
    with db.transaction(Acting(tenant_id)) as conn:
        return select_invoices(conn, tenant_id=tenant_id)


def main() -> None:
    url, tenant, to, crash_at = sys.argv[1:]
    reached = 0

    def count() -> None:
        nonlocal reached
        reached += 1
        if reached == int(crash_at):
            os._exit(KILLED)

    with Database(url) as db:
        walker = SandboxWalker(db, db, lambda: EveryHour(count), SystemClock(), lambda _: count())
        walker.walk(Acting(TenantId(UUID(tenant))), datetime.fromisoformat(to))
    sys.stdout.write(str(reached))


if __name__ == "__main__":
    main()
