"""Wall times where clocks change, and days counted in a zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.calendar.zones import add_days, days_between, instant_of, parse_time_zone, wall_of
from core.errors import ValidationError

BERLIN, LOS_ANGELES = ZoneInfo("Europe/Berlin"), ZoneInfo("America/Los_Angeles")
INSTANTS = st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the bounds of a strategy
ZONES = st.sampled_from(
    ["UTC", "America/St_Johns", "Pacific/Apia", "Australia/Lord_Howe", "Africa/Casablanca"]
).map(ZoneInfo)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Mars/Olympus",
        "Europe",
        "../etc/passwd",
        "/etc/localtime",
        "localtime",
        "Factory",
        "posixrules",
        "posix/Europe/Berlin",
        "right/Europe/Berlin",
    ],
)
def test_what_is_no_zone_is_refused(text: str) -> None:
    # Another system silently takes UTC instead.
    with pytest.raises(ValidationError, match=r"^time_zone: .*Europe/Berlin"):
        parse_time_zone(text)


@pytest.mark.parametrize(
    ("wall", "zone", "instant"),
    [
        ("2024-03-31T01:59", "Europe/Berlin", "2024-03-31T00:59"),
        ("2024-03-31T02:30", "Europe/Berlin", "2024-03-31T01:30"),  # skipped: read as +01:00
        ("2024-10-27T02:30", "Europe/Berlin", "2024-10-27T00:30"),  # twice: the first
        ("2018-11-04T00:00", "America/Sao_Paulo", "2018-11-04T03:00"),  # midnight is 01:00
        ("2011-12-30T12:00", "Pacific/Apia", "2011-12-30T22:00"),  # the 31st at noon
        ("2024-10-06T02:15", "Australia/Lord_Howe", "2024-10-05T15:45"),  # half an hour skipped
    ],
)
def test_a_wall_time_means_one_instant(wall: str, zone: str, instant: str) -> None:
    found = instant_of(datetime.fromisoformat(wall), ZoneInfo(zone))
    assert found == datetime.fromisoformat(f"{instant}+00:00")


@given(at=INSTANTS, zone=ZONES)
def test_a_wall_time_read_back_is_the_instant_or_the_first_of_two(
    at: datetime, zone: ZoneInfo
) -> None:
    back = instant_of(wall_of(at, zone), zone)
    assert back <= at
    assert wall_of(back, zone) == wall_of(at, zone)


def test_calendar_days_are_not_hours() -> None:
    at = datetime(2017, 3, 1, 23, 30, tzinfo=LOS_ANGELES)
    assert add_days(at, 30, LOS_ANGELES) == datetime(2017, 3, 31, 23, 30, tzinfo=LOS_ANGELES)
    assert wall_of(at.astimezone(UTC) + timedelta(hours=720), LOS_ANGELES).day == 1


def test_no_days_later_is_the_same_instant_even_in_the_hour_that_is_shown_twice() -> None:
    second = datetime(2024, 10, 27, 1, 30, tzinfo=UTC)
    assert add_days(second, 0, BERLIN) == second
    assert add_days(second, 1, BERLIN) == datetime(2024, 10, 28, 2, 30, tzinfo=BERLIN)


def test_days_count_dates_from_the_first_up_to_the_last() -> None:
    start = datetime(2023, 2, 23, 15, tzinfo=BERLIN)
    assert days_between(start, datetime(2023, 3, 15, 9, tzinfo=BERLIN), BERLIN) == 20
    assert days_between(start, start + timedelta(hours=8), BERLIN) == 0
    assert days_between(start, start + timedelta(hours=9), BERLIN) == 1
    # 23:30 in UTC is tomorrow in Berlin.
    late = datetime(2023, 2, 22, 23, 30, tzinfo=UTC)
    assert days_between(late, late + timedelta(hours=1), BERLIN) == 0
    assert days_between(late, late + timedelta(hours=1), ZoneInfo("UTC")) == 1


@given(a=INSTANTS, b=INSTANTS, c=INSTANTS, zone=ZONES)
def test_days_of_parts_add_up(a: datetime, b: datetime, c: datetime, zone: ZoneInfo) -> None:
    assert days_between(a, b, zone) + days_between(b, c, zone) == days_between(a, c, zone)
