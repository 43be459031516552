"""Where periods begin and end: what always holds, and the cases that others get wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from operator import itemgetter
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.calendar.cycle import Cycle, ZoneMove
from core.calendar.intervals import Interval
from core.period import Period

YEAR = 366 * 86_400
MICROSECOND = timedelta(microseconds=1)
UTC_ZONE = ZoneInfo("UTC")
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
INTERVALS = st.sampled_from(
    [
        "daily",
        "weekly",
        "monthly",
        "quarterly",
        "yearly",
        "every 5 days",
        "every 2 weeks",
        "every 5 months",
        "every 2 quarters",
        "every 3 years",
    ]
).map(Interval.parse)
INDEXES = st.integers(-60, 60)


CYCLES = st.builds(Cycle, ANCHORS, ZONES, INTERVALS)


@given(cycle=CYCLES, n=INDEXES)
def test_boundaries_never_go_back_and_are_about_an_interval_apart(cycle: Cycle, n: int) -> None:
    assert cycle.boundary(0) == cycle.anchor
    days = cycle.interval.days or cycle.interval.months * 30.5
    about = timedelta(days=days)
    length = cycle.boundary(n + 1) - cycle.boundary(n)
    assert timedelta() <= length
    assert abs(length - about) < timedelta(days=3) + about / 100


@given(cycle=CYCLES, seconds=st.integers(-20 * YEAR, 20 * YEAR))
def test_every_instant_lies_in_one_period_whose_start_is_in_it(cycle: Cycle, seconds: int) -> None:
    at = cycle.anchor + timedelta(seconds=seconds)
    n, period = cycle.index_of(at), cycle.period_of(at)
    assert at in period
    assert period == Period(cycle.boundary(n), cycle.boundary(n + 1))
    assert cycle.period_of(period.start) == period
    assert cycle.period_of(period.end - MICROSECOND) == period
    assert cycle.period_of(period.end).start == period.end
    assert cycle.index_of(period.end) > n


@given(cycle=CYCLES, n=INDEXES, days=st.integers(1, 400))
def test_periods_to_an_end_cover_the_time_exactly_once(cycle: Cycle, n: int, days: int) -> None:
    start = cycle.boundary(n)
    ended_at = start + timedelta(days=days)
    periods = list(cycle.periods_from(start, ended_at))
    assert periods[0].start == start
    assert periods[-1].end == ended_at
    assert all(a.end == b.start for a, b in pairwise(periods))
    assert [cycle.period_of(each.start).start for each in periods] == [p.start for p in periods]


@given(
    cycle=CYCLES,
    moves=st.lists(
        st.tuples(st.integers(-YEAR, 3 * YEAR), ZONES), max_size=4, unique_by=lambda m: m[0]
    ),
    seconds=st.integers(-2 * YEAR, 5 * YEAR),
)
def test_moves_leave_no_gap_and_no_overlap(
    cycle: Cycle, moves: list[tuple[int, ZoneInfo]], seconds: int
) -> None:
    dated = [
        ZoneMove(cycle.anchor + timedelta(seconds=into), zone)
        for into, zone in sorted(moves, key=itemgetter(0))
    ]
    moved = Cycle(cycle.anchor, cycle.zone, cycle.interval, tuple(dated))
    at = cycle.anchor + timedelta(seconds=seconds)
    period = moved.period_of(at)
    assert at in period
    assert moved.period_of(period.start) == period
    assert moved.period_of(period.end).start == period.end
    if not any(move.at <= period.end for move in dated):
        assert period == cycle.period_of(at)  # the future changes nothing


def test_the_last_of_january_comes_back_after_february() -> None:
    cycle = Cycle(datetime(2024, 1, 31, tzinfo=UTC), ZoneInfo("UTC"))
    days = [cycle.boundary(n).strftime("%d %b") for n in range(5)]
    assert days == ["31 Jan", "29 Feb", "31 Mar", "30 Apr", "31 May"]
    assert cycle.boundary(13).strftime("%d %b %Y") == "28 Feb 2025"


def test_a_leap_day_comes_back_in_leap_years() -> None:
    cycle = Cycle(datetime(2024, 2, 29, tzinfo=UTC), ZoneInfo("UTC"))
    assert [cycle.boundary(12 * n).day for n in range(5)] == [29, 28, 28, 28, 29]


def test_midnight_in_berlin_moves_in_utc_with_the_clocks() -> None:
    cycle = Cycle(datetime(2023, 10, 1, tzinfo=BERLIN), BERLIN)
    first, second = islice(cycle.periods_from(cycle.anchor), 2)
    assert first.start == datetime(2023, 9, 30, 22, tzinfo=UTC)
    assert first.end == second.start == datetime(2023, 10, 31, 23, tzinfo=UTC)
    assert first.end - first.start == timedelta(days=31, hours=1)


def test_a_wall_time_that_is_skipped_or_shown_twice_has_one_meaning() -> None:
    skipped = Cycle(datetime(2024, 2, 29, 2, 30, tzinfo=BERLIN), BERLIN)
    # 31 March 2024 had no 02:30 in Berlin; the 29th did.
    assert skipped.boundary(1) == datetime(2024, 3, 29, 1, 30, tzinfo=UTC)
    gap = Cycle(datetime(2024, 1, 31, 2, 30, tzinfo=BERLIN), BERLIN)
    assert gap.boundary(2) == datetime(2024, 3, 31, 1, 30, tzinfo=UTC)  # read as 02:30+01:00
    twice = Cycle(datetime(2024, 9, 27, 2, 30, tzinfo=BERLIN), BERLIN)
    assert twice.boundary(1) == datetime(2024, 10, 27, 0, 30, tzinfo=UTC)  # the first 02:30


def test_an_anchor_in_the_hour_that_is_shown_twice_stays_what_it_is() -> None:
    second_time = datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1)
    cycle = Cycle(second_time, BERLIN)
    assert cycle.boundary(0) == datetime(2024, 10, 27, 1, 30, tzinfo=UTC)
    assert cycle.index_of(second_time) == 0


def test_a_start_before_the_anchor_has_a_short_first_period() -> None:
    # Another system makes one period of 17 months of this.
    cycle = Cycle(datetime(2024, 8, 1, tzinfo=UTC), UTC_ZONE, Interval("year"))
    first, second = islice(cycle.periods_from(datetime(2024, 3, 1, tzinfo=UTC)), 2)
    assert first == Period(datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 8, 1, tzinfo=UTC))
    assert second.end == datetime(2025, 8, 1, tzinfo=UTC)
    assert cycle.index_of(first.start) == -1


def test_a_boundary_belongs_to_the_period_that_it_begins() -> None:
    # Another system answers 30 April 10:00 to the question for the end of the period of that
    # instant.
    cycle = Cycle(datetime(2024, 1, 31, 10, tzinfo=UTC), UTC_ZONE)
    boundary = datetime(2024, 4, 30, 10, tzinfo=UTC)
    assert cycle.period_of(boundary) == Period(boundary, datetime(2024, 5, 31, 10, tzinfo=UTC))
    assert cycle.period_of(boundary - MICROSECOND).end == boundary


def test_a_period_is_as_long_as_from_anchored_day_to_anchored_day() -> None:
    # Another system steps back from the clamped 28 February to 28 January and divides by 31.
    cycle = Cycle(datetime(2023, 1, 31, tzinfo=UTC), UTC_ZONE)
    period = cycle.period_of(datetime(2023, 2, 10, tzinfo=UTC))
    assert period == Period(datetime(2023, 1, 31, tzinfo=UTC), datetime(2023, 2, 28, tzinfo=UTC))
    assert (period.end - period.start).days == 28


def test_each_interval_counts_from_the_anchor() -> None:
    anchor = datetime(2023, 11, 30, tzinfo=UTC)

    def days(interval: str) -> list[str]:
        cycle = Cycle(anchor, UTC_ZONE, Interval.parse(interval))
        return [cycle.boundary(n).strftime("%Y-%m-%d") for n in (1, 2, 3)]

    assert days("daily") == ["2023-12-01", "2023-12-02", "2023-12-03"]
    assert days("every 2 weeks") == ["2023-12-14", "2023-12-28", "2024-01-11"]
    assert days("quarterly") == ["2024-02-29", "2024-05-30", "2024-08-30"]
    assert days("every 15 months") == ["2025-02-28", "2026-05-30", "2027-08-30"]
    assert days("yearly") == ["2024-11-30", "2025-11-30", "2026-11-30"]


def test_days_have_23_and_25_hours_when_clocks_change() -> None:
    new_york = ZoneInfo("America/New_York")
    cycle = Cycle(datetime(2023, 1, 1, tzinfo=new_york), new_york, Interval("day"))

    def hours(month: int, day: int) -> timedelta:
        period = cycle.period_of(datetime(2023, month, day, 12, tzinfo=new_york))
        return period.end - period.start

    assert hours(3, 11) == timedelta(hours=24)
    assert hours(3, 12) == timedelta(hours=23)
    assert hours(11, 5) == timedelta(hours=25)


def test_events_fall_into_the_months_of_the_local_clock() -> None:
    new_york = ZoneInfo("America/New_York")
    cycle = Cycle(datetime(2023, 2, 1, tzinfo=new_york), new_york)
    events = [
        "2023-02-01T05:00",  # the first instant of February in New York
        "2023-02-28T12:00",
        "2023-03-01T04:59",  # 28 February 23:59
        "2023-03-01T05:00",
        "2023-03-12T06:59",  # the last minute of winter time
        "2023-03-12T07:00",
        "2023-04-01T03:59",  # 31 March 23:59, an hour earlier in UTC than a month ago
        "2023-04-01T04:00",
        "2023-05-01T03:59",
    ]
    months = [cycle.index_of(datetime.fromisoformat(f"{each}+00:00")) for each in events]
    assert [months.count(n) for n in (0, 1, 2)] == [3, 4, 2]


def test_a_day_that_a_zone_never_had_is_no_period() -> None:
    apia = ZoneInfo("Pacific/Apia")
    cycle = Cycle(datetime(2011, 12, 28, tzinfo=apia), apia, Interval("day"))
    days = [cycle.boundary(n).astimezone(apia).day for n in range(5)]
    assert days == [28, 29, 31, 31, 1]  # boundary 2, of the 30th, is boundary 3
    periods = list(islice(cycle.periods_from(cycle.anchor), 3))
    assert [each.start.astimezone(apia).day for each in periods] == [28, 29, 31]
    assert {each.end - each.start for each in periods} == {timedelta(days=1)}


def test_a_move_takes_effect_at_the_next_boundary() -> None:
    anchor = datetime(2024, 1, 1, tzinfo=BERLIN)
    tokyo = ZoneInfo("Asia/Tokyo")
    cycle = Cycle(anchor, BERLIN, moves=(ZoneMove(datetime(2024, 1, 10, tzinfo=UTC), tokyo),))
    january, february, march = islice(cycle.periods_from(anchor), 3)
    assert january.end == datetime(2024, 2, 1, tzinfo=BERLIN)  # as it was promised
    assert february.end == datetime(2024, 3, 1, tzinfo=tokyo)  # 8 hours shorter
    assert march.end == datetime(2024, 4, 1, tzinfo=tokyo)


def test_a_move_at_a_boundary_takes_effect_there() -> None:
    boundary = datetime(2024, 2, 1, tzinfo=BERLIN)
    new_york = ZoneInfo("America/New_York")
    cycle = Cycle(
        datetime(2024, 1, 1, tzinfo=BERLIN), BERLIN, moves=(ZoneMove(boundary, new_york),)
    )
    assert cycle.period_of(boundary).end == datetime(2024, 3, 1, tzinfo=new_york)
    late = ZoneMove(boundary + MICROSECOND, new_york)
    assert Cycle(cycle.anchor, BERLIN, moves=(late,)).period_of(boundary).end == datetime(
        2024, 3, 1, tzinfo=BERLIN
    )


def test_a_second_move_before_the_boundary_replaces_the_first() -> None:
    first = ZoneMove(datetime(2024, 1, 10, tzinfo=UTC), ZoneInfo("Asia/Tokyo"))
    back = ZoneMove(datetime(2024, 1, 20, tzinfo=UTC), BERLIN)
    stayed = Cycle(datetime(2024, 1, 1, tzinfo=BERLIN), BERLIN)
    moved = Cycle(stayed.anchor, BERLIN, moves=(first, back))
    assert [moved.boundary(n) for n in range(-3, 9)] == [stayed.boundary(n) for n in range(-3, 9)]


def test_a_day_that_a_move_to_the_east_swallows_is_no_period() -> None:
    west, east = ZoneInfo("Pacific/Niue"), ZoneInfo("Pacific/Kiritimati")  # -11:00 and +14:00
    anchor = datetime(2024, 1, 1, tzinfo=west)
    cycle = Cycle(anchor, west, Interval("day"), (ZoneMove(anchor, east),))
    # 1 January 00:00 in Niue is 2 January 01:00 in Kiritimati: its next midnight begins the 3rd.
    first, second = islice(cycle.periods_from(anchor), 2)
    assert first.end == datetime(2024, 1, 3, tzinfo=east)
    assert second.end == datetime(2024, 1, 4, tzinfo=east)


def test_moves_out_of_order_are_refused() -> None:
    move = ZoneMove(datetime(2024, 1, 10, tzinfo=UTC), BERLIN)
    with pytest.raises(ValueError, match="moves: put them in order"):
        Cycle(datetime(2024, 1, 1, tzinfo=UTC), UTC_ZONE, moves=(move, move))


def test_the_period_of_a_far_instant_takes_no_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    boundary = Cycle.boundary

    def counted(cycle: Cycle, n: int) -> datetime:
        nonlocal asked
        asked += 1
        return boundary(cycle, n)

    monkeypatch.setattr(Cycle, "boundary", counted)
    cycle = Cycle(datetime(1970, 1, 31, tzinfo=UTC), BERLIN, Interval("day"))
    assert cycle.index_of(datetime(2370, 1, 31, tzinfo=UTC)) == 146_097
    assert asked <= 4
