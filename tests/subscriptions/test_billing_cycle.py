"""Where periods begin and end, against an oracle that walks the calendar day by day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.errors import ValidationError
from core.period import Period
from subscriptions.billing_cycle import CycleSteps, parse_time_zone

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from(
    [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "America/Sao_Paulo",  # midnight did not exist on some days
        "Asia/Kolkata",  # +05:30
        "Asia/Kathmandu",  # +05:45
        "Australia/Lord_Howe",  # clocks move by half an hour
        "Pacific/Apia",  # 2011-12-30 never was
        "Pacific/Kiritimati",  # +14
        "Africa/Casablanca",
    ]
).map(ZoneInfo)
ANCHORS = st.integers(0, 31 * 365 * 86_400).map(
    lambda seconds: datetime(2005, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
INDEXES = st.integers(0, 120)


def month_later(year: int, month: int, months: int) -> tuple[int, int]:
    """One month at a time."""
    for _ in range(months):
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return year, month


def last_day(year: int, month: int) -> int:
    day = datetime(year, month, 28, tzinfo=UTC)
    while (day + timedelta(days=1)).month == month:
        day += timedelta(days=1)
    return day.day


def exists(wall: datetime, zone: ZoneInfo) -> bool:
    """Whether a clock on the wall ever shows it."""
    return wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wall


@given(anchor=ANCHORS, zone=ZONES, n=INDEXES)
@example(anchor=datetime(2012, 1, 31, tzinfo=UTC), zone=ZoneInfo("UTC"), n=1)
@example(anchor=datetime(2011, 11, 30, tzinfo=UTC), zone=ZoneInfo("Pacific/Apia"), n=1)
def test_a_boundary_shows_the_anchors_wall_time_months_later(
    anchor: datetime, zone: ZoneInfo, n: int
) -> None:
    wall = anchor.astimezone(zone).replace(tzinfo=None)
    year, month = month_later(wall.year, wall.month, n)
    expected = wall.replace(
        year=year, month=month, day=min(wall.day, last_day(year, month)), fold=0
    )
    boundary = CycleSteps(anchor, zone).boundary(n)
    seen = boundary.astimezone(zone).replace(tzinfo=None, fold=0)
    if exists(expected, zone):
        assert seen == expected
    else:
        assert expected < seen <= expected + timedelta(days=1)


@given(anchor=ANCHORS, zone=ZONES, n=INDEXES)
def test_periods_touch_and_last_about_a_month(anchor: datetime, zone: ZoneInfo, n: int) -> None:
    steps = CycleSteps(anchor, zone)
    assert steps.boundary(0) == anchor
    length = steps.boundary(n + 1) - steps.boundary(n)
    assert timedelta(days=26) < length < timedelta(days=33)


@given(anchor=ANCHORS, zone=ZONES, n=INDEXES, into=st.floats(0, 0.999))
def test_every_instant_lies_in_the_period_of_its_index(
    anchor: datetime, zone: ZoneInfo, n: int, into: float
) -> None:
    steps = CycleSteps(anchor, zone)
    whole = Period(steps.boundary(n), steps.boundary(n + 1))
    at = whole.start + (whole.end - whole.start) * into
    assert steps.index_of(at) == n
    assert steps.period_of(at) == whole
    assert steps.index_of(whole.end) == n + 1


@given(anchor=ANCHORS, zone=ZONES, n=INDEXES, days=st.integers(1, 400))
def test_periods_to_an_end_cover_the_time_exactly_once(
    anchor: datetime, zone: ZoneInfo, n: int, days: int
) -> None:
    steps = CycleSteps(anchor, zone)
    start = steps.boundary(n)
    ended_at = start + timedelta(days=days)
    periods = list(steps.periods_from(start, ended_at))
    assert periods[0].start == start
    assert periods[-1].end == ended_at
    assert all(a.end == b.start for a, b in pairwise(periods))


def test_the_last_of_january_comes_back_after_february() -> None:
    steps = CycleSteps(datetime(2024, 1, 31, tzinfo=UTC), ZoneInfo("UTC"))
    days = [steps.boundary(n).strftime("%d %b") for n in range(5)]
    assert days == ["31 Jan", "29 Feb", "31 Mar", "30 Apr", "31 May"]
    assert steps.boundary(13).strftime("%d %b %Y") == "28 Feb 2025"


def test_a_leap_day_comes_back_in_leap_years() -> None:
    steps = CycleSteps(datetime(2024, 2, 29, tzinfo=UTC), ZoneInfo("UTC"))
    assert [steps.boundary(12 * n).day for n in range(5)] == [29, 28, 28, 28, 29]


def test_midnight_in_berlin_moves_in_utc_with_the_clocks() -> None:
    steps = CycleSteps(datetime(2023, 10, 1, tzinfo=BERLIN), BERLIN)
    first, second = islice(steps.periods_from(steps.anchor), 2)
    assert first.start == datetime(2023, 9, 30, 22, tzinfo=UTC)
    assert first.end == second.start == datetime(2023, 10, 31, 23, tzinfo=UTC)
    assert first.end - first.start == timedelta(days=31, hours=1)


def test_a_wall_time_that_is_skipped_or_shown_twice_has_one_meaning() -> None:
    skipped = CycleSteps(datetime(2024, 2, 29, 2, 30, tzinfo=BERLIN), BERLIN)
    # 31 March 2024 had no 02:30 in Berlin; the 29th did.
    assert skipped.boundary(1) == datetime(2024, 3, 29, 1, 30, tzinfo=UTC)
    gap = CycleSteps(datetime(2024, 1, 31, 2, 30, tzinfo=BERLIN), BERLIN)
    assert gap.boundary(2) == datetime(2024, 3, 31, 1, 30, tzinfo=UTC)  # read as 02:30+01:00
    twice = CycleSteps(datetime(2024, 9, 27, 2, 30, tzinfo=BERLIN), BERLIN)
    assert twice.boundary(1) == datetime(2024, 10, 27, 0, 30, tzinfo=UTC)  # the first 02:30


def test_an_anchor_in_the_hour_that_is_shown_twice_stays_what_it_is() -> None:
    second_time = datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1)
    steps = CycleSteps(second_time, BERLIN)
    assert steps.boundary(0) == datetime(2024, 10, 27, 1, 30, tzinfo=UTC)
    assert steps.index_of(second_time) == 0


def test_an_instant_before_the_anchor_has_no_period() -> None:
    steps = CycleSteps(datetime(2024, 1, 1, tzinfo=UTC), ZoneInfo("UTC"))
    with pytest.raises(ValueError, match="before the anchor"):
        steps.index_of(datetime(2023, 12, 31, tzinfo=UTC))


@pytest.mark.parametrize("text", ["", "Mars/Olympus", "Europe", "../etc/passwd", "/etc/localtime"])
def test_what_is_no_zone_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match=r"^time_zone: .*Europe/Berlin"):
        parse_time_zone(text)
