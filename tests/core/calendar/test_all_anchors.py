"""Every anchor of a leap year in zones with all kinds of clock changes, over ten years."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest

from core.calendar.cycle import Cycle
from core.calendar.intervals import Interval, IntervalUnit
from tests.core.calendar.reference import DAY, WallClock, months_from

ZONES = [
    "America/New_York",
    "America/Los_Angeles",
    "Europe/Berlin",
    "Europe/London",
    "Australia/Sydney",
    "Australia/Lord_Howe",  # clocks move by half an hour
    "America/Sao_Paulo",  # midnight did not exist on some days
    "Asia/Kolkata",
    "Pacific/Apia",  # 30 December 2011 never was
    "Africa/Casablanca",  # four changes a year around Ramadan
    "UTC",
]
TIMES = [(0, 0), (2, 30), (23, 30)]
YEARS = 10
LEAP_YEAR = [datetime(2008, 1, 1) + n * DAY for n in range(366)]  # noqa: DTZ001 - a wall time
MONTHS: dict[IntervalUnit, int] = {"month": 1, "quarter": 3, "year": 12}


@cache
def clock(zone: str) -> WallClock:
    return WallClock(zone, datetime(2006, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC))


def expected(zone: str, shown: datetime, unit: IntervalUnit, count: int) -> list[datetime]:
    """Boundaries 0 to the end of ten years."""
    days: Sequence[date]
    if unit in MONTHS:
        days = months_from(shown.date(), 12 * YEARS)[:: count * MONTHS[unit]]
    else:
        step = count * (DAY if unit == "day" else 7 * DAY)
        days = [shown.date() + n * step for n in range(366 * YEARS * DAY // step)]
    return [clock(zone).read(datetime.combine(day, shown.time())) for day in days]


def check(zone: str, wall: datetime, unit: IntervalUnit, count: int = 1) -> None:
    anchor = clock(zone).read(wall)
    shown = clock(zone).show(anchor)  # another time than `wall` where that is skipped
    cycle = Cycle(anchor, ZoneInfo(zone), Interval(unit, count))
    wanted = expected(zone, shown, unit, count)
    found = [cycle.boundary(n) for n in range(len(wanted))]
    assert found == wanted, (zone, wall, unit, count)
    last = len(wanted) - 1
    assert cycle.index_of(wanted[last]) == last
    assert cycle.index_of(wanted[last] - timedelta(microseconds=1)) == last - 1


@pytest.mark.parametrize("zone", ZONES)
def test_every_boundary_is_where_the_reference_has_it(zone: str) -> None:
    for number, (hour, minute) in enumerate(TIMES):
        for position, day in enumerate(LEAP_YEAR):
            wall = day.replace(hour=hour, minute=minute)
            check(zone, wall, "month")
            if position % len(TIMES) == number:  # longer steps meet the same days
                check(zone, wall, "quarter")
                check(zone, wall, "year")
                check(zone, wall, "month", 5)
                check(zone, wall, "quarter", 2)
                check(zone, wall, "year", 3)
        # From other anchors, weeks and days meet the same days.
        for day in LEAP_YEAR[:7]:
            wall = day.replace(hour=hour, minute=minute)
            check(zone, wall, "week")
            check(zone, wall, "week", 2)
            check(zone, wall, "day", 10)
        check(zone, LEAP_YEAR[0].replace(hour=hour, minute=minute), "day")
