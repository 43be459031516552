"""Credits that wait: what an invoice leaves of them goes to the subscription's next one.

What is left when there is no next one is owed to the customer: it stays with the subscription and
is told as an event.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.clock import Clock
from core.ids import SubscriptionId, TenantId, format_id
from core.money import Currency, Money
from db.outbox import Change, append
from db.postgres import Connection
from invoicing.model import Invoice
from subscriptions.periods import DuePeriod, credits_of, move_credits


def pass_on_credits(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    block: Sequence[DuePeriod],
    drafts: Sequence[Invoice],
) -> None:
    """Write down what a block's drafts leave of credits, in the transaction that writes them."""
    left: dict[SubscriptionId, int] = {}
    moved: set[SubscriptionId] = set()
    for draft in drafts:
        if draft.subscription_id is not None:
            left[draft.subscription_id] = draft.credit_after_minor
            if draft.credit_before_minor or draft.credit_after_minor:
                moved.add(draft.subscription_id)
    move_credits(conn, {each: left[each] for each in sorted(moved)})
    over = [due.subscription_id for due in block if due.is_last]
    owed = credits_of(conn, tenant_id, over) if over else []
    told = []
    for row in owed:
        name = format_id("sub", row["id"])
        credit = Money(row["credit_minor"], Currency(row["currency"])).as_json()
        facts = {"subscription": name, "ended_at": row["ended_at"].isoformat(), "credit": credit}
        told.append(Change("subscription.credit.owed", name, facts))
    if told:
        append(conn, clock, tenant_id, *told)
