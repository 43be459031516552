"""A year in a minute: a sandbox's clock goes on, and all that comes by itself comes on the way.

What makes it safe to kill and to repeat: the clock stops at each instant at which something comes,
and what is due there is done before it goes on. Whoever walks again first does what is due where
the clock stands, so a walk that was killed ends like one that was not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from core.acting import Acting
from core.clock import Clock, monotonic_seconds
from core.errors import BusinessLogicError, ValidationError
from core.ids import format_id
from core.instants import check_instant
from core.money import Money
from db import outbox
from db.postgres import Database
from identity.sandboxes import Sandbox, find_sandbox, hold_walk, move_clock
from invoicing.billing_run import BillingRunner
from invoicing.model import Invoice
from invoicing.runs import ParkedCustomer
from invoicing.tenants import billing_tenants
from invoicing.usage_source import UsageSource
from subscriptions.life.advance import advance
from subscriptions.life.coming import Coming, coming_after

_STEP: Final = re.compile(r"P(?=.)(?:(\d{1,3})W)?(?:(\d{1,3})D)?(?:T(\d{1,4})H)?")
_CHANGED: Final = "subscription.status.changed"
_CHANGES: Final = 1_000
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that came by itself: an invoice, or a change of a subscription's state."""

    at: datetime
    what: str
    facts: dict[str, Any]

    def as_resource(self) -> dict[str, Any]:
        """The form that API and CLI show."""
        return {"at": self.at.isoformat(), "what": self.what, **self.facts}


@dataclass(slots=True)
class Walk:
    """How far the clock came, and what happened on the way, in order.

    `reached` is false where the time given for it was over before: walk again, to the same instant.
    """

    sandbox: Sandbox
    to: datetime
    happened: list[Happening] = field(default_factory=list)
    parked: dict[str, ParkedCustomer] = field(default_factory=dict)

    @property
    def reached(self) -> bool:
        """Whether the clock stands where it was to go."""
        return self.sandbox.clock_at >= self.to

    def as_resource(self) -> dict[str, Any]:
        """The form that API and CLI show."""
        return {
            **self.sandbox.as_resource(),
            "to": self.to.isoformat(),
            "reached": self.reached,
            "happened": [each.as_resource() for each in self.happened],
            "parked": [
                {"customer": customer, "code": each.error_code, "message": each.error_message}
                for customer, each in self.parked.items()
            ],
        }


@dataclass(frozen=True, slots=True)
class SandboxWalker:
    """Moves the clocks of sandboxes. `db` may change subscriptions, `billing` writes invoices.

    `open_usage` is called once there is something to bill: it may wait until what was sent counts.
    """

    db: Database
    billing: Database
    open_usage: Callable[[], UsageSource]
    clock: Clock
    progress: Callable[[datetime], None] = lambda _: None

    def walk(
        self,
        acting: Acting,
        to: datetime,
        step: timedelta | None = None,
        seconds: float | None = None,
    ) -> Walk:
        """Move a sandbox's clock on to `to`, and do what comes by itself, each at its instant.

        With a `step` the clock stops at whole multiples of it only (since 1970, UTC), and does
        there what came since the last one. After `seconds` it stops where it is. Raises
        `NotASandboxError`, `BusinessLogicError` for an instant before the clock, and
        `ConflictError` while somebody else walks.
        """
        check_instant(to, "to")
        deadline = None if seconds is None else monotonic_seconds() + seconds
        with self.db.transaction(acting) as held:
            sandbox = find_sandbox(held, acting.tenant_id)
            hold_walk(held, sandbox)
            found = Walk(find_sandbox(held, acting.tenant_id), to)
            if to < found.sandbox.clock_at:
                raise BusinessLogicError(
                    f"to: the clock of {sandbox.slug} stands at"
                    f" {found.sandbox.clock_at.isoformat()} and never goes back; give a later"
                    " instant",
                    field="to",
                )
            self._go(found, acting, step, deadline)
        return found

    def _go(
        self, found: Walk, acting: Acting, step: timedelta | None, deadline: float | None
    ) -> None:
        usage: UsageSource | None = None
        moved = False
        while True:
            here = found.sandbox.clock_at
            self._come(found, acting, here)
            if self._coming(acting, here).due:
                usage = usage or self.open_usage()
                self._bill(found, usage, here)
            self.progress(here)
            # Whoever asks again and again gets there, however little time each request has.
            if found.reached or (moved and deadline is not None and monotonic_seconds() > deadline):
                return
            coming = self._coming(acting, here)  # what was billed goes on to its next period
            with self.db.transaction(acting) as conn:
                to = found.to if coming.at is None else min(found.to, _rounded_up(coming.at, step))
                move_clock(conn, self.clock, acting.tenant_id, to)
                found.sandbox = find_sandbox(conn, acting.tenant_id)
            moved = True

    def _coming(self, acting: Acting, after: datetime) -> Coming:
        with self.db.transaction(acting, snapshot=True) as conn:
            return coming_after(conn, acting.tenant_id, after)

    def _come(self, found: Walk, acting: Acting, at: datetime) -> None:
        """Let subscriptions come up to an instant, and tell how their states changed."""
        with self.db.transaction(acting, snapshot=True) as conn:
            position = outbox.last_position(conn, acting.tenant_id)
        if not advance(self.db, self.clock, acting.tenant_id, at):
            return
        while True:
            with self.db.transaction(acting) as conn:
                page = outbox.changes_after(
                    conn, acting.tenant_id, position, _CHANGES, subjects=[_CHANGED]
                )
            found.happened += [
                Happening(
                    datetime.fromisoformat(each.payload["at"]),
                    "subscription",
                    {
                        name: each.payload[name]
                        for name in ("subscription", "old_status", "new_status", "because")
                    },
                )
                for each in page.events
            ]
            if len(page.events) < _CHANGES:
                return
            position = page.reached

    def _bill(self, found: Walk, usage: UsageSource, at: datetime) -> None:
        """Close the periods that ended by an instant, which the clock has reached."""
        with self.billing.transaction() as conn:
            [tenant] = billing_tenants(conn, str(found.sandbox.tenant_id))
        if not tenant.closes_by_itself:
            return
        for closed in BillingRunner(self.billing, usage, self.clock).close(tenant, at):
            found.happened += [_billed(invoice, closed.run.as_of) for invoice in closed.invoices]
            for each in closed.parked:
                found.parked[format_id("cus", each.customer_id)] = each


def parse_step(text: str) -> timedelta:
    """A length of time such as `P1D`, `P2W` or `PT6H`. Raises `ValidationError`."""
    found = _STEP.fullmatch(text)
    weeks, days, hours = (int(each or 0) for each in found.groups()) if found else (0, 0, 0)
    if not weeks + days + hours:
        raise ValidationError(
            f"step: {text[:20]!r} is none; give days, weeks or hours, such as P1D or PT6H",
            field="step",
        )
    return timedelta(weeks=weeks, days=days, hours=hours)


def _billed(invoice: Invoice, at: datetime) -> Happening:
    return Happening(
        at,
        "invoice",
        {
            "invoice": format_id("inv", invoice.invoice_id),
            "number": invoice.number,
            "customer": format_id("cus", invoice.customer_id),
            "subscription": invoice.subscription_id and format_id("sub", invoice.subscription_id),
            "total": Money(invoice.total_minor, invoice.currency).as_json(),
        },
    )


def _rounded_up(at: datetime, step: timedelta | None) -> datetime:
    """The first multiple of the step that is not before `at`."""
    if step is None:
        return at
    return _EPOCH - step * ((_EPOCH - at) // step)
