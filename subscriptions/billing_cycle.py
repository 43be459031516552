"""Where the periods of a subscription begin and end: pure calendar arithmetic.

Boundary n lies n months after the anchor on the wall of the customer's time zone, counted from the
anchor itself, never from the boundary before: 31 Jan → 29 Feb → 31 Mar. A day that a month lacks is
its last day. A wall time that a clock change skips is read with the offset before the change, one
that happens twice is the first of the two.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal
from zoneinfo import ZoneInfo

from core.errors import ValidationError
from core.period import Period

BillingCycle = Literal["monthly"]

_MONTHS: Final[dict[BillingCycle, int]] = {"monthly": 1}
_YEAR_MONTHS: Final = 12


def parse_time_zone(text: str, field: str = "time_zone") -> ZoneInfo:
    """The zone with this IANA name. Raises `ValidationError` naming `field`."""
    try:
        return ZoneInfo(text)
    except (LookupError, ValueError, OSError) as error:
        raise ValidationError(
            f"{field}: {text!r} is no IANA time zone; write one such as Europe/Berlin or UTC",
            field=field,
        ) from error


@dataclass(frozen=True, slots=True)
class CycleSteps:
    """The boundaries of one subscription: `anchor` is an aware instant, boundary 0."""

    anchor: datetime
    zone: ZoneInfo
    cycle: BillingCycle = "monthly"

    def boundary(self, n: int) -> datetime:
        """Boundary `n` in UTC, n ≥ 0; strictly later than boundary n - 1."""
        if n == 0:
            return self.anchor.astimezone(UTC)
        wall = self.anchor.astimezone(self.zone).replace(tzinfo=None, fold=0)
        months = wall.year * _YEAR_MONTHS + wall.month - 1 + n * _MONTHS[self.cycle]
        year, month = divmod(months, _YEAR_MONTHS)
        day = min(wall.day, calendar.monthrange(year, month + 1)[1])
        moved = wall.replace(year=year, month=month + 1, day=day)
        return moved.replace(tzinfo=self.zone).astimezone(UTC)

    def index_of(self, at: datetime) -> int:
        """The n of the period that `at` lies in. Raises `ValueError` before the anchor."""
        if at < self.anchor:
            raise ValueError(f"{at} lies before the anchor {self.anchor}")
        first, here = (each.astimezone(self.zone) for each in (self.anchor, at))
        months = (here.year - first.year) * _YEAR_MONTHS + here.month - first.month
        n = max(0, months // _MONTHS[self.cycle])
        while self.boundary(n) > at:
            n -= 1
        while self.boundary(n + 1) <= at:
            n += 1
        return n

    def period_of(self, at: datetime) -> Period:
        """The whole period that `at` lies in. Raises `ValueError` before the anchor."""
        n = self.index_of(at)
        return Period(self.boundary(n), self.boundary(n + 1))

    def periods_from(self, start: datetime, ended_at: datetime | None = None) -> Iterator[Period]:
        """The periods from `start` on, without end or up to `ended_at`.

        The first begins at `start` and the last ends at `ended_at`, boundaries or not.
        """
        n = self.index_of(start)
        while ended_at is None or start < ended_at:
            n += 1
            end = self.boundary(n)
            if ended_at is not None:
                end = min(end, ended_at)
            yield Period(start, end)
            start = end
