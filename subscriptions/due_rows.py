"""What Postgres says of subscriptions that something may be due of, and what the calendar adds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from core.calendar.cycle import Cycle
from core.calendar.intervals import Interval
from core.calendar.zones import parse_time_zone
from core.ids import CustomerId, SubscriptionId, TenantId
from core.period import Period

parse_interval = lru_cache(Interval.parse)


class DueRow(NamedTuple):
    """A subscription with something due; `period_start` is its earliest that is not invoiced."""

    tenant_id: TenantId
    customer_id: CustomerId
    id: SubscriptionId
    plan_version_id: UUID
    currency: str
    time_zone: str
    billing_cycle: str
    anchor_at: datetime
    period_start: datetime
    period_end: datetime
    ended_at: datetime | None
    opening: bool
    stretch_start: datetime | None
    came_at: datetime | None
    advance_from: datetime | None
    subjects: list[str] | None
    revision: int


class HeldRow(NamedTuple):
    """A subscription that is held until commit, and what is to be billed of it next."""

    id: SubscriptionId
    period_start: datetime
    opening: bool
    revision: int


class MovingRow(NamedTuple):
    """A subscription that is moved on behind what is invoiced."""

    id: SubscriptionId
    slug: str
    time_zone: str
    billing_cycle: str
    anchor_at: datetime
    period_start: datetime
    ended_at: datetime | None
    opening: bool


def due_of(row: DueRow, as_of: datetime) -> Iterator[tuple[Period, bool]]:
    """Periods due by `as_of`, in order of time, and whether only the opening is.

    The row knows its earliest one; only who missed more than that needs the calendar.
    """
    period = Period(row.period_start, row.period_end)
    if row.opening:
        yield period, True
    while period.end <= as_of:
        yield period, False
        following = next(periods_from(row, period.end), None) if period.end < as_of else None
        if following is None:
            return
        period = following


def periods_from(row: DueRow | MovingRow, start: datetime) -> Iterator[Period]:
    """The periods from `start` on, up to the end of the subscription."""
    ended_at = row.ended_at
    while ended_at is None or start < ended_at:
        end = whole_at(row, start).end
        if ended_at is not None and ended_at < end:
            end = ended_at
        yield Period(start, end)
        start = end


def whole_at(row: DueRow | MovingRow, at: datetime) -> Period:
    """The whole period of a subscription that an instant lies in."""
    return _whole_period(row.anchor_at, row.time_zone, row.billing_cycle, at)


@lru_cache(maxsize=65_536)
def _whole_period(anchor: datetime, time_zone: str, billing_cycle: str, at: datetime) -> Period:
    """Those who began on one day share the answer."""
    cycle = Cycle(anchor, parse_time_zone(time_zone), parse_interval(billing_cycle))
    return cycle.period_of(at)
