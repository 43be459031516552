"""Which periods are to be invoiced, and how far each subscription has been.

A subscription's row names its earliest period that is not invoiced; whoever invoices moves it on
in the same transaction, so a period is due until its invoice is committed, and never after.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
from subscriptions.life.timeline import Terms, billed

_NIL = UUID(int=0)
_currency = lru_cache(Currency)
_interval = lru_cache(Interval.parse)


@lru_cache(maxsize=65_536)
def whole_period(anchor: datetime, time_zone: str, billing_cycle: str, at: datetime) -> Period:
    """The whole period that an instant lies in; those who began on one day share the answer."""
    cycle = Cycle(anchor, parse_time_zone(time_zone), _interval(billing_cycle))
    return cycle.period_of(at)


@dataclass(frozen=True, slots=True)
class DuePeriod:
    """One period to invoice.

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

    @property
    def key(self) -> tuple[UUID, UUID, UUID, datetime]:
        """What due periods are ordered by."""
        return self.tenant_id, self.customer_id, self.subscription_id, self.period.start


def due_periods(
    conn: Connection,
    tenant_id: TenantId | None,
    as_of: datetime,
    after: DuePeriod | None,
    limit: int,
    subscription_id: SubscriptionId | None = None,
) -> list[DuePeriod]:
    """Periods that ended by `as_of` and are not invoiced, in order of `DuePeriod.key`.

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
        (row, period)
        for row in rows
        for period in _ended_periods(row, as_of)
        if after is None or (*_row_key(row), period.start) > after.key
    )
    page = list(islice(found, limit))
    links = _links(conn, [row for row, _ in page])
    ids = list({row["id"] for row, _ in page})
    terms, pauses = read_terms(conn, ids), read_pauses(conn, ids)
    return [
        _due_period(
            row,
            period,
            links[row["customer_id"]],
            billed(terms[row["id"]], pauses[row["id"]], row["ended_at"], period),
        )
        for row, period in page
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
    mine = [due for due in fresh if due.period.start >= held[due.subscription_id]["period_start"]]
    return mine, len(fresh) == len(block)


def mark_billed(conn: Connection, billed: Sequence[DuePeriod]) -> None:
    """Move the subscriptions on behind these periods, in the transaction that invoices them.

    Raises `ConflictError`, and nothing may be committed, unless the periods of each subscription
    are the earliest ones that are not invoiced, without a gap: somebody else was faster.
    """
    wanted: defaultdict[SubscriptionId, list[Period]] = defaultdict(list)
    for due in billed:
        wanted[due.subscription_id].append(due.period)
    rows = conn.execute(
        sql.load("postgres/queries/lock_subscription_periods"), {"ids": list(wanted)}
    ).fetchall()
    moved = []
    for row in rows:
        periods = sorted(wanted.pop(row["id"]))
        if periods != list(islice(_periods(row, row["period_start"]), len(periods))):
            raise ConflictError(
                f"subscription {row['slug']!r}: {periods[0]} is not the next period to invoice,"
                f" which starts at {row['period_start'].isoformat()}"
            )
        end = periods[-1].end
        following = next(_periods(row, end), None) or _whole(row, end)
        moved.append((row["id"], end, following.end))
    if wanted:
        raise ConflictError(f"subscription {next(iter(wanted))}: there is none with this id")
    ids, starts, ends = zip(*moved, strict=True) if moved else ((), (), ())
    conn.execute(
        sql.load("postgres/queries/move_subscription_periods"),
        {"ids": list(ids), "starts": list(starts), "ends": list(ends)},
    )


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


def _ended_periods(row: dict[str, Any], as_of: datetime) -> Iterator[Period]:
    """The row knows its earliest one; only who missed more than that needs the calendar."""
    period = Period(row["period_start"], row["period_end"])
    while period.end <= as_of:
        yield period
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


def _due_period(
    row: dict[str, Any], period: Period, links: list[dict[str, Any]], terms: tuple[Terms, ...]
) -> DuePeriod:
    owned, start, end = row["subjects"], period.start, period.end
    subjects, whole = set(), set()
    for link in links:
        subject, since, until = link["subject"], link["valid_from"], link["valid_to"]
        if since >= end or (until is not None and until <= start):
            continue
        if owned is None or subject in owned:
            subjects.add(subject)
            if since <= start and (until is None or until >= end):
                whole.add(subject)
    return DuePeriod(
        tenant_id=TenantId(row["tenant_id"]),
        customer_id=CustomerId(row["customer_id"]),
        subscription_id=SubscriptionId(row["id"]),
        plan_version_id=row["plan_version_id"],
        currency=_currency(row["currency"]),
        time_zone=row["time_zone"],
        billing_cycle=_interval(row["billing_cycle"]),
        period=period,
        whole=_whole(row, start),
        subjects=tuple(sorted(subjects)),
        partial_subjects=tuple(sorted(subjects - whole)),
        terms=terms,
        revision=row["revision"],
    )
