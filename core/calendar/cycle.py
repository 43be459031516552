"""Where the periods of a cycle begin and end.

Boundary n lies n intervals after the anchor on the wall of the customer's time zone, counted from
the anchor itself, never from the boundary before: 31 Jan → 29 Feb → 31 Mar. A day that a month
lacks is its last day. `core.calendar.zones` says what a wall time means where clocks change.

A boundary belongs to the period that it begins. Boundaries may also lie before the anchor (n < 0):
whoever starts earlier has a short first period, up to the next boundary.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from core.calendar.intervals import MONTHLY, Interval
from core.calendar.zones import instant_of, wall_of
from core.period import Period

_YEAR_MONTHS: Final = 12


@dataclass(frozen=True, slots=True)
class ZoneMove:
    """From `at` on the customer lives in `zone`."""

    at: datetime
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class _Stretch:
    """The boundaries behind boundary `n`, which lies at `start`, are read in `zone`."""

    n: int
    start: datetime
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Cycle:
    """The periods that step from `anchor`, an aware instant: boundary 0.

    A move to another zone takes effect at the first boundary that is not before it; from there on,
    boundaries show the anchor's wall time on the clocks of the new zone. `moves` are in order of
    time.
    """

    anchor: datetime
    zone: ZoneInfo
    interval: Interval = MONTHLY
    moves: tuple[ZoneMove, ...] = ()
    _wall: datetime = field(init=False, repr=False, compare=False)
    _stretches: tuple[_Stretch, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if any(later.at <= move.at for move, later in pairwise(self.moves)):
            raise ValueError("moves: put them in order of time, one at an instant")
        object.__setattr__(self, "anchor", self.anchor.astimezone(UTC))
        object.__setattr__(self, "_wall", wall_of(self.anchor, self.zone))
        object.__setattr__(self, "_stretches", ())
        for move in self.moves:
            n = self._first_at_or_after(move.at)
            made = _Stretch(n, self.boundary(n), move.zone)
            kept = tuple(each for each in self._stretches if each.n < n)
            object.__setattr__(self, "_stretches", (*kept, made))

    def boundary(self, n: int) -> datetime:
        """Boundary `n` in UTC; never earlier than boundary n - 1.

        It equals boundary n - 1 where there is no time between them: Apia had no 30 December 2011,
        and after a move to the east the wall may already show the next day.
        """
        behind = None
        for stretch in self._stretches:
            if stretch.n < n:
                behind = stretch
        if behind is not None:
            return max(behind.start, instant_of(self._wall_at(n), behind.zone))
        return self.anchor if n == 0 else instant_of(self._wall_at(n), self.zone)

    def index_of(self, at: datetime) -> int:
        """The n of the period that `at` lies in: the last n whose boundary is not after `at`.

        One guess from the wall times, then corrected: the cost does not grow with the distance.
        """
        zone = self.zone
        for stretch in self._stretches:
            if stretch.start <= at:
                zone = stretch.zone
        n = self._guess(wall_of(at, zone))
        while self.boundary(n) > at:
            n -= 1
        while self.boundary(n + 1) <= at:
            n += 1
        return n

    def period_of(self, at: datetime) -> Period:
        """The whole period that `at` lies in."""
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
            if start < end:
                yield Period(start, end)
            start = end

    def _wall_at(self, n: int) -> datetime:
        if self.interval.days:
            return self._wall + timedelta(days=n * self.interval.days)
        months = self._wall.year * _YEAR_MONTHS + self._wall.month - 1 + n * self.interval.months
        year, month = divmod(months, _YEAR_MONTHS)
        day = min(self._wall.day, calendar.monthrange(year, month + 1)[1])
        return self._wall.replace(year=year, month=month + 1, day=day)

    def _guess(self, wall: datetime) -> int:
        """The index at `wall` if no clock ever changed and every month had the anchor's day."""
        if self.interval.days:
            return (wall - self._wall) // timedelta(days=self.interval.days)
        years, months = wall.year - self._wall.year, wall.month - self._wall.month
        return (years * _YEAR_MONTHS + months) // self.interval.months

    def _first_at_or_after(self, at: datetime) -> int:
        n = self.index_of(at)
        while self.boundary(n) < at:
            n += 1
        return n
