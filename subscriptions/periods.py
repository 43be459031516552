"""Which periods are to be invoiced, and how far each subscription has been.

A subscription's row names its earliest period that is not invoiced; whoever invoices moves it on
in the same transaction, so a period is due until its invoice is committed, and never after. It is
due at its end. Where a subscription begins, or comes back, with something to pay in advance, it is
due at its start, too: that is its opening.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import Any
from uuid import UUID

import sql
from core.calendar.cycle import Cycle
from core.calendar.intervals import Interval
from core.calendar.zones import parse_time_zone
from core.errors import ConflictError
from core.ids import CustomerId, SubscriptionId, TenantId
from core.money import Currency
from core.period import Period
from db.postgres import Connection
from subscriptions.life.subscription import read_pauses, read_terms
from subscriptions.life.timeline import Pause, Terms, billed

_NIL = UUID(int=0)
_currency = lru_cache(Currency)
_interval = lru_cache(Interval.parse)


@lru_cache(maxsize=65_536)
def whole_period(anchor: datetime, time_zone: str, billing_cycle: str, at: datetime) -> Period:
    """The whole period that an instant lies in; those who began on one day share the answer."""
    cycle = Cycle(anchor, parse_time_zone(time_zone), _interval(billing_cycle))
    return cycle.period_of(at)


@dataclass(frozen=True, slots=True)
class Life:
    """What holds of a subscription beyond one period, and whose usage its customer pays for.

    One that came from elsewhere was billed there up to `came_at`, and in advance for own periods of
    its lines that began before `advance_from`.
    """

    anchor: datetime
    stretch_start: datetime
    ended_at: datetime | None
    owned: frozenset[str] | None
    terms: tuple[Terms, ...]
    pauses: tuple[Pause, ...]
    links: Sequence[dict[str, Any]]
    came_at: datetime | None = None
    advance_from: datetime | None = None

    def billed(self, period: Period) -> tuple[Terms, ...]:
        """What is billed of a period."""
        return billed(self.terms, self.pauses, self.ended_at, period)

    def subjects(self, period: Period) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Whose usage of a period is billed, and whose of a part of it only."""
        subjects, whole = set(), set()
        for link in self.links:
            subject, since, until = link["subject"], link["valid_from"], link["valid_to"]
            if since >= period.end or (until is not None and until <= period.start):
                continue
            if self.owned is None or subject in self.owned:
                subjects.add(subject)
                if since <= period.start and (until is None or until >= period.end):
                    whole.add(subject)
        return tuple(sorted(subjects)), tuple(sorted(subjects - whole))


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
    rows = conn.execute(
        sql.load("postgres/queries/select_due_subscriptions"),
        {
            "tenant_id": tenant_id,
            "subscription_id": subscription_id,
            "as_of": as_of,
            "after_tenant_id": behind[0],
            "after_customer_id": behind[1],
            "after_id": behind[2],
            # One more: the first row may be the subscription of `after`, with nothing left.
            "limit": limit + 1,
        },
    ).fetchall()
    found = (
        (row, period, opening)
        for row in rows
        for period, opening in _due(row, as_of)
        if after is None or (*_row_key(row), period.start, not opening) > after.key
    )
    page = list(islice(found, limit))
    links = _links(conn, [row for row, _, _ in page])
    ids = list({row["id"] for row, _, _ in page})
    terms, pauses = read_terms(conn, ids), read_pauses(conn, ids)
    lives = {
        row["id"]: _life(row, terms[row["id"]], pauses[row["id"]], links[row["customer_id"]])
        for row, _, _ in page
    }
    return [_due_period(row, period, opening, lives[row["id"]]) for row, period, opening in page]


def claim(
    conn: Connection, tenant_id: TenantId, block: Sequence[DuePeriod], *, wait: bool
) -> tuple[list[DuePeriod], bool]:
    """Those periods of a block that are still to be invoiced, held until commit; if that is all.

    With `wait`, whoever holds one is waited for; else what is held is left to them. What changed
    since the block was read is left for the next look. So several workers may go through the same
    periods, and each takes what no other one has.
    """
    query = "lock_subscriptions" if wait else "claim_subscriptions"
    ids = list({due.subscription_id for due in block})
    rows = conn.execute(
        sql.load(f"postgres/queries/{query}"), {"tenant_id": tenant_id, "subscription_ids": ids}
    ).fetchall()
    held = {row["id"]: row for row in rows}
    fresh = [
        due
        for due in block
        if (row := held.get(due.subscription_id)) and row["revision"] == due.revision
    ]
    mine = [due for due in fresh if _still_due(due, held[due.subscription_id])]
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
    rows = conn.execute(
        sql.load("postgres/queries/lock_subscription_periods"),
        {"ids": list({*wanted, *opened})},
    ).fetchall()
    moved = []
    for row in rows:
        opening, periods = opened.pop(row["id"], None), sorted(wanted.pop(row["id"], ()))
        following = list(islice(_periods(row, row["period_start"]), max(1, len(periods))))
        opens = following[:1] if row["opening"] else []
        if opens != ([opening] if opening else []) or periods != following[: len(periods)]:
            raise ConflictError(
                f"subscription {row['slug']!r}: {opening or periods[0]} is not the next period to"
                f" invoice, which starts at {row['period_start'].isoformat()}"
            )
        last = following[-1]
        if periods:
            end = last.end
            last = next(_periods(row, end), None) or Period(end, _whole(row, end).end)
        moved.append((row["id"], last.start, last.end, bool(periods)))
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


def _still_due(due: DuePeriod, held: dict[str, Any]) -> bool:
    if due.opening:
        return bool(held["opening"]) and due.period.start == held["period_start"]
    return bool(due.period.start >= held["period_start"])


def _row_key(row: dict[str, Any]) -> tuple[UUID, UUID, UUID]:
    return row["tenant_id"], row["customer_id"], row["id"]


def _whole(row: dict[str, Any], at: datetime) -> Period:
    return whole_period(row["anchor_at"], row["time_zone"], row["billing_cycle"], at)


def _periods(row: dict[str, Any], start: datetime) -> Iterator[Period]:
    """The periods from `start` on, up to the end of the subscription."""
    ended_at = row["ended_at"]
    while ended_at is None or start < ended_at:
        end = _whole(row, start).end
        if ended_at is not None and ended_at < end:
            end = ended_at
        yield Period(start, end)
        start = end


def _due(row: dict[str, Any], as_of: datetime) -> Iterator[tuple[Period, bool]]:
    """Periods, and whether only their opening is due.

    The row knows its earliest one; only who missed more than that needs the calendar.
    """
    period = Period(row["period_start"], row["period_end"])
    if row["opening"]:
        yield period, True
    while period.end <= as_of:
        yield period, False
        following = next(_periods(row, period.end), None) if period.end < as_of else None
        if following is None:
            return
        period = following


def _links(conn: Connection, rows: Sequence[dict[str, Any]]) -> dict[UUID, list[dict[str, Any]]]:
    """The dated subjects of the rows' customers; `valid_to` is None while a link is open."""
    links: defaultdict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for link in conn.execute(
        sql.load("postgres/queries/select_subject_links"),
        {"customer_ids": list({row["customer_id"] for row in rows})},
    ):
        links[link["customer_id"]].append(link)
    return links


def _life(
    row: dict[str, Any],
    terms: tuple[Terms, ...],
    pauses: tuple[Pause, ...],
    links: Sequence[dict[str, Any]],
) -> Life:
    return Life(
        anchor=row["anchor_at"],
        stretch_start=row["stretch_start"] or row["period_start"],
        ended_at=row["ended_at"],
        owned=None if row["subjects"] is None else frozenset(row["subjects"]),
        terms=terms,
        pauses=pauses,
        links=links,
        came_at=row["came_at"],
        advance_from=row["advance_from"],
    )


def _due_period(row: dict[str, Any], period: Period, opening: bool, life: Life) -> DuePeriod:
    subjects, partial = life.subjects(period)
    return DuePeriod(
        tenant_id=TenantId(row["tenant_id"]),
        customer_id=CustomerId(row["customer_id"]),
        subscription_id=SubscriptionId(row["id"]),
        plan_version_id=row["plan_version_id"],
        currency=_currency(row["currency"]),
        time_zone=row["time_zone"],
        billing_cycle=_interval(row["billing_cycle"]),
        period=period,
        whole=_whole(row, period.start),
        subjects=subjects,
        partial_subjects=partial,
        terms=life.billed(period),
        revision=row["revision"],
        opening=opening,
        life=life,
    )
