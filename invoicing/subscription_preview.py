"""What a command would do to a subscription and its next invoices: done, drafted, and taken back.

The command is the one that is done in earnest, and the draft is the one of the billing run. Usage
counts as far as it is known now.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from core.acting import Acting
from core.clock import Clock
from core.period import Period
from db.postgres import Connection, Database
from identity.sandboxes import clock_of
from invoicing.drafting import rate_block, read_block
from invoicing.model import Invoice, RunTerms
from invoicing.tenants import billing_tenants
from invoicing.usage_source import UsageSource
from subscriptions.commands.bodies import CommandBody
from subscriptions.life.operate import bring_up_to_date, lock, perform
from subscriptions.life.subscription import Subscription
from subscriptions.periods import due_periods

PERIODS_MAX: Final = 24
"""Periods that are drafted at most, the earliest that is not invoiced first."""


@dataclass(frozen=True, slots=True)
class SubscriptionPreview:
    """How the subscription would stand, and what its periods would bill by the end of this one."""

    subscription: Subscription
    invoices: list[Invoice]


def preview_subscription(
    db: Database,
    open_usage: Callable[[], UsageSource],
    clock: Clock,
    acting: Acting,
    name: str,
    body: CommandBody | None,
) -> SubscriptionPreview:
    """Do a command (None: nothing), draft, and leave no trace. Raises what doing it raises.

    Usage is opened once it is known that there is something to draft.
    """
    with db.transaction(acting) as conn, conn.transaction(force_rollback=True):
        clock = clock_of(conn, clock, acting.tenant_id)
        found = _done(conn, clock, acting, name, body)
        last = _current_period(found, clock)
        due = due_periods(conn, acting.tenant_id, last.end, None, PERIODS_MAX, found.id)
        block = read_block(conn, acting.tenant_id, due)
        [tenant] = billing_tenants(conn, str(acting.tenant_id))
    usage = open_usage()
    terms = RunTerms(
        tenant_id=acting.tenant_id,
        as_of=last.end,
        cut=usage.cut(),
        seller=tenant.terms.seller,
        payment_days=tenant.terms.payment_days,
        sandbox=tenant.sandbox,
    )
    return SubscriptionPreview(found, rate_block(usage, terms, block))


def _done(
    conn: Connection, clock: Clock, acting: Acting, name: str, body: CommandBody | None
) -> Subscription:
    if body is None:
        known = lock(conn, acting.tenant_id, name)
        return bring_up_to_date(conn, clock, known, clock.now())
    command = body.resolve(conn, acting.tenant_id)
    return perform(conn, clock, acting.tenant_id, name, command, as_of=body.as_of)


def _current_period(found: Subscription, clock: Clock) -> Period:
    at = max(clock.now(), found.period.start)
    whole, end = found.cycle.period_of(at), found.standing.end
    return whole if end is None or end <= whole.start else Period(whole.start, min(end, whole.end))
