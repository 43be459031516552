"""The arbiter of limits: one row for each customer and feature, for which reservers wait.

A counter holds what was read of the usage up to a cut L, and what that left. What may still be
used is that less all records whose events are not among those up to L, so an event is counted once:
as usage where it lies before L, as a record where it does not. Both change in one statement each,
in one transaction, under the counter's lock. Holds without an outcome count beside them; a hold
that is committed becomes a record under the same lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Any
from uuid import UUID

import sql
from core.period import Period
from db.postgres import Connection
from entitlements.burning import EXACT
from entitlements.errors import UsageLimitExceededError
from entitlements.facts import quantity_text
from entitlements.measuring import Measured, counter_key
from usage.cut import Cut

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a customer stands with a feature after a reservation, as it is told."""

    used: Decimal
    limit: Decimal | None
    remaining: Decimal | None
    exceeded: bool

    def as_told(self, counter: UsageCounter) -> dict[str, Any]:
        """The part of an answer that says so, and how old what was read is."""
        return {
            "used": quantity_text(self.used),
            "limit": quantity_text(self.limit),
            "remaining": quantity_text(self.remaining),
            "exceeded": self.exceeded,
            "as_of": counter.as_of.isoformat(),
            "cut": counter.cut.offsets,
        }


@dataclass(frozen=True, slots=True)
class UsageCounter:
    """What was read at `as_of` of the usage in `window` up to `cut`. `room` None: without end."""

    subscription_id: UUID
    window: Period
    cut: Cut
    used: Decimal
    limit: Decimal | None
    granted: Decimal
    room: Decimal | None
    hard: bool
    as_of: datetime


def find_counter(
    conn: Connection, key: Mapping[str, Any], *, lock: bool = False
) -> UsageCounter | None:
    """The counter of a `counter_key`; `lock` lets nobody else reserve until commit."""
    query = "lock_usage_counter" if lock else "select_usage_counter"
    row = conn.execute(sql.load(f"postgres/queries/{query}"), key).fetchone()
    if row is None:
        return None
    words = dict(row) | {"cut": Cut.from_json(row["cut"])}
    return UsageCounter(window=Period(words.pop("start"), words.pop("end")), **words)


def renew_counter(conn: Connection, measured: Measured) -> bool:
    """Let the counter stand as it was measured; whether it does.

    Not where it was read later meanwhile, or at a cut that this one does not reach everywhere: a
    cut never goes back. Records whose events lie before the cut count as usage from now on.
    """
    given, burnt, cut = measured.given, measured.burnt, measured.cut
    assert given is not None
    assert given.subscription is not None
    assert burnt is not None
    assert cut is not None
    tenant_id = measured.customer.tenant_id
    key = counter_key(tenant_id, measured.customer.id, measured.feature.id)
    conn.execute(sql.load("postgres/queries/lock_counted_feature"), key)
    held = find_counter(conn, key, lock=True)
    if held is not None and (held.as_of > measured.as_of or not reaches(cut, held.cut)):
        return False
    with localcontext(EXACT):
        row = {
            "subscription_id": given.subscription.id,
            "start": given.window.start,
            "end": given.window.end,
            "cut": cut.as_json(),
            "used": burnt.used,
            "limit": None if given.limit is None else given.limit + burnt.granted,
            "granted": burnt.granted,
            "room": burnt.room,
            "hard": given.hard,
            "as_of": measured.as_of,
        }
    conn.execute(sql.load("postgres/queries/upsert_usage_counter"), row | key)
    if measured.seen:
        values = {"tenant_id": tenant_id, "ids": list(measured.seen), "as_of": measured.as_of}
        conn.execute(sql.load("postgres/queries/mark_usage_records_seen"), values)
    return True


def reaches(cut: Cut, other: Cut) -> bool:
    """Whether a cut holds all that another one holds."""
    return all(cut.offsets.get(part, 0) >= end for part, end in other.offsets.items())


def reserve(
    conn: Connection,
    key: Mapping[str, Any],
    counter: UsageCounter,
    quantity: Decimal,
    promised: Decimal = _NOTHING,
) -> Standing:
    """How the customer stands once `quantity` is reserved; the counter is locked.

    So much of it as was `promised` by a hold that ends here is never refused. Raises
    `UsageLimitExceededError` where it is more than that and a hard limit leaves less.
    """
    window = {"start": counter.window.start, "end": counter.window.end}
    row = conn.execute(
        sql.load("postgres/queries/sum_open_reservations"), {**key, **window}
    ).fetchone()
    assert row is not None
    with localcontext(EXACT):
        used = counter.used + row["quantity"]
        left = None if counter.room is None else counter.room - row["quantity"] - quantity
        after = used + quantity
        if left is not None and left < 0 and counter.hard and quantity > promised:
            raise _refusal(counter, quantity, used, max(promised, left + quantity), promised)
    remaining_after = None if left is None else max(_NOTHING, left)
    exceeded = counter.limit is not None and after > counter.limit
    return Standing(after, counter.limit, remaining_after, exceeded)


def _refusal(
    counter: UsageCounter, quantity: Decimal, used: Decimal, remaining: Decimal, promised: Decimal
) -> UsageLimitExceededError:
    told = {
        "used": quantity_text(used),
        "limit": quantity_text(counter.limit),
        "remaining": quantity_text(remaining),
        "window_end": counter.window.end.isoformat(),
    }
    held = f", of which {quantity_text(promised)} are held" if promised else ""
    return UsageLimitExceededError(
        f"quantity: {quantity_text(quantity)} more is over the limit of {told['limit']}: "
        f"{told['used']} are used, {told['remaining']} remain{held} until {told['window_end']}",
        field="quantity",
        **told,
    )
