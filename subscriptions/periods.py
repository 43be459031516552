"""Which periods are to be invoiced, and how far each subscription has been.

A subscription's row names its earliest period that is not invoiced; whoever invoices moves it on
in the same transaction, so a period is due until its invoice is committed, and never after. It is
due at its end. Where a subscription begins, or comes back, with something to pay in advance, it is
due at its start, too: that is its opening.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import Any
from uuid import UUID

import sql
from core.calendar.intervals import Interval
from core.errors import ConflictError
from core.ids import CustomerId, SubscriptionId, TenantId
from core.money import Currency
from core.period import Period
from db.postgres import Connection
from db.rows import read_many
from subscriptions.due_rows import (
    DueRow,
    HeldRow,
    MovingRow,
    due_of,
    parse_interval,
    periods_from,
    whole_at,
)
from subscriptions.life.timeline import Terms
from subscriptions.whole_life import Life, read_lives

_NIL = UUID(int=0)
_currency = lru_cache(Currency)


@dataclass(frozen=True, slots=True)
class DuePeriod:
    """One period to invoice, at its end or, an `opening`, at its start.

    `subjects` are those the customer pays for at some instant of the period, in order of their
    names, without those that the subscription does not own; `partial_subjects` the ones among them
    that it pays for during a part of it only. `terms` are what is billed of the period, in order of
    time: none where the subscription was paused or over.
    """

    tenant_id: TenantId
    customer_id: CustomerId
    subscription_id: SubscriptionId
    plan_version_id: UUID
    currency: Currency
    time_zone: str
    billing_cycle: Interval
    period: Period
    whole: Period
    subjects: tuple[str, ...]
    partial_subjects: tuple[str, ...] = ()
    terms: tuple[Terms, ...] = ()
    revision: int = 1
    opening: bool = False
    life: Life | None = None

    @property
    def key(self) -> tuple[UUID, UUID, UUID, datetime, bool]:
        """What due periods are ordered by: an opening comes before the end of its period."""
        own = (self.tenant_id, self.customer_id, self.subscription_id)
        return (*own, self.period.start, not self.opening)

    @property
    def at(self) -> datetime:
        """When it is due."""
        return self.period.start if self.opening else self.period.end

    @property
    def is_last(self) -> bool:
        """Whether the subscription ends with it."""
        return not self.opening and self.life is not None and self.life.ended_at == self.period.end

    def over(self, period: Period, whole: Period, terms: tuple[Terms, ...]) -> DuePeriod:
        """The same for a longer time, as what has periods of its own is billed."""
        assert self.life is not None, "it comes from `due_periods`"
        subjects, partial = self.life.subjects(period)
        return replace(
            self,
            period=period,
            whole=whole,
            terms=terms,
            subjects=subjects,
            partial_subjects=partial,
        )


def due_periods(
    conn: Connection,
    tenant_id: TenantId | None,
    as_of: datetime,
    after: DuePeriod | None,
    limit: int,
    subscription_id: SubscriptionId | None = None,
) -> list[DuePeriod]:
    """Periods due by `as_of` that are not invoiced, in order of `DuePeriod.key`.

    Of one tenant, or of all, or of one subscription; at most `limit`, those behind `after`. Fewer
    than `limit`: the last.
    """
    behind = (_NIL, _NIL, _NIL) if after is None else after.key[:3]
    values = {
        "tenant_id": tenant_id,
        "subscription_id": subscription_id,
        "as_of": as_of,
        "after_tenant_id": behind[0],
        "after_customer_id": behind[1],
        "after_id": behind[2],
        # One more: the first row may be the subscription of `after`, with nothing left.
        "limit": limit + 1,
    }
    rows = read_many(conn, sql.load("postgres/queries/select_due_subscriptions"), values, DueRow)
    found = (
        (place, period, opening)
        for place, row in enumerate(rows)
        for period, opening in due_of(row, as_of)
        # All but the first row are behind the page before, whatever it ended with.
        if place or after is None or (*row[:3], period.start, not opening) > after.key
    )
    page = list(islice(found, limit))
    lives = read_lives(conn, rows[: page[-1][0] + 1] if page else [])
    return [
        _due_period(rows[place], period, opening, lives[place]) for place, period, opening in page
    ]


def claim(
    conn: Connection, tenant_id: TenantId, block: Sequence[DuePeriod], *, wait: bool
) -> tuple[list[DuePeriod], bool]:
    """Those periods of a block that are still to be invoiced, held until commit; if that is all.

    With `wait`, whoever holds one is waited for; else what is held is left to them. What changed
    since the block was read is left for the next look. So several workers may go through the same
    periods, and each takes what no other one has.
    """
    query = "lock_subscriptions" if wait else "claim_subscriptions"
    ids = list(dict.fromkeys(due.subscription_id for due in block))
    values = {"tenant_id": tenant_id, "subscription_ids": ids}
    rows = read_many(conn, sql.load(f"postgres/queries/{query}"), values, HeldRow)
    held = {row.id: row for row in rows}
    fresh = [
        (due, row)
        for due in block
        if (row := held.get(due.subscription_id)) and row.revision == due.revision
    ]
    mine = [due for due, row in fresh if _still_due(due, row)]
    return mine, len(fresh) == len(block)


def mark_billed(conn: Connection, billed: Sequence[DuePeriod]) -> None:
    """Move the subscriptions on behind these periods, in the transaction that invoices them.

    Raises `ConflictError`, and nothing may be committed, unless the periods of each subscription
    are the earliest ones that are not invoiced, without a gap: somebody else was faster.
    """
    wanted: defaultdict[SubscriptionId, list[Period]] = defaultdict(list)
    opened = {due.subscription_id: due.period for due in billed if due.opening}
    for due in billed:
        if not due.opening:
            wanted[due.subscription_id].append(due.period)
    query = sql.load("postgres/queries/lock_subscription_periods")
    moved = []
    for row in read_many(conn, query, {"ids": list({*wanted, *opened})}, MovingRow):
        opening, periods = opened.pop(row.id, None), sorted(wanted.pop(row.id, ()))
        following = list(islice(periods_from(row, row.period_start), max(1, len(periods))))
        opens = following[:1] if row.opening else []
        if opens != ([opening] if opening else []) or periods != following[: len(periods)]:
            raise ConflictError(
                f"subscription {row.slug!r}: {opening or periods[0]} is not the next period to"
                f" invoice, which starts at {row.period_start.isoformat()}"
            )
        last = following[-1]
        if periods:
            end = last.end
            last = next(periods_from(row, end), None) or Period(end, whole_at(row, end).end)
        moved.append((row.id, last.start, last.end, bool(periods)))
    if wanted or opened:
        missing = next(iter({*wanted, *opened}))
        raise ConflictError(f"subscription {missing}: there is none with this id")
    ids, starts, ends, closed = zip(*moved, strict=True) if moved else ((), (), (), ())
    conn.execute(
        sql.load("postgres/queries/move_subscription_periods"),
        {"ids": list(ids), "starts": list(starts), "ends": list(ends), "closed": list(closed)},
    )


def move_credits(conn: Connection, left: Mapping[SubscriptionId, int]) -> None:
    """Write down what the last invoices of subscriptions left of credits, in minor units."""
    if left:
        conn.execute(
            sql.load("postgres/queries/move_credits"),
            {"ids": list(left), "credits": list(left.values())},
        )


def credits_of(
    conn: Connection, tenant_id: TenantId, subscription_ids: Iterable[SubscriptionId]
) -> list[dict[str, Any]]:
    """`id`, `currency`, `ended_at` and `credit_minor` of those that have a credit."""
    return conn.execute(
        sql.load("postgres/queries/select_credits"),
        {"tenant_id": tenant_id, "subscription_ids": list(subscription_ids)},
    ).fetchall()


def _still_due(due: DuePeriod, held: HeldRow) -> bool:
    if due.opening:
        return held.opening and due.period.start == held.period_start
    return due.period.start >= held.period_start


def _due_period(row: DueRow, period: Period, opening: bool, life: Life) -> DuePeriod:
    subjects, partial = life.subjects(period)
    return DuePeriod(
        tenant_id=row.tenant_id,
        customer_id=row.customer_id,
        subscription_id=row.id,
        plan_version_id=row.plan_version_id,
        currency=_currency(row.currency),
        time_zone=row.time_zone,
        billing_cycle=parse_interval(row.billing_cycle),
        period=period,
        whole=whole_at(row, period.start),
        subjects=subjects,
        partial_subjects=partial,
        terms=life.billed(period),
        revision=row.revision,
        opening=opening,
        life=life,
    )
