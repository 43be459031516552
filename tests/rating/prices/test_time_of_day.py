from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import strategies as st

from rating.errors import PriceParameterError, RatingInputError
from rating.prices import model_named
from tests.rating.builders import exact_amounts, price, quantity_of
from tests.rating.events import Event, rate_events
from tests.rating.prices.drawing import AMOUNTS
from tests.rating.prices.event_contract import EventModelContract
from tests.rating.time_oracle import DAYS, time_of_day

DAY = {"from": "08:00", "to": "18:00", "unit_amount": "1", "connect_fee": "1"}
LEFT = {"unit_amount": "0.5"}
NIGHT = {"from": "00:00", "to": "06:00", "unit_amount": "1"}
ZONES = [None, "UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]
STARTS = [  # around a change of the clock in Berlin, New York or Lord Howe, and none
    datetime(2023, 3, 25, 23, tzinfo=UTC),
    datetime(2023, 10, 28, 22, tzinfo=UTC),
    datetime(2023, 11, 5, 4, tzinfo=UTC),
    datetime(2023, 9, 30, 14, tzinfo=UTC),
    datetime(2023, 11, 12, 20, tzinfo=UTC),
]
CLOCKS = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 0, 30, 59]))
SECONDS = st.one_of(
    st.integers(-100, 7_200).map(lambda seconds: seconds * 10**12),
    st.integers(0, 7_200 * 10**12),
    st.integers(0, 30).map(lambda hours: hours * 3_600 * 10**12),
    st.sampled_from([0, 1, -1, 9 * 86_400 * 10**12]),
).map(quantity_of)


def _reached(parameters: dict[str, Any]) -> bool:
    try:
        model_named("time_of_day").terms(parameters)
    except PriceParameterError:
        return False
    return True


_BANDS = st.fixed_dictionaries(
    {"unit_amount": AMOUNTS},
    optional={
        "connect_fee": AMOUNTS,
        "from": CLOCKS,
        "to": CLOCKS,
        "days": st.lists(st.sampled_from(DAYS), min_size=1, unique=True),
    },
)
_LAST = st.fixed_dictionaries({"unit_amount": AMOUNTS}, optional={"connect_fee": AMOUNTS})
_STEPS = st.sampled_from(["1", "6", "10", "30", "60", "0.5", "3600"])


class TestTimeOfDay(EventModelContract):
    name = "time_of_day"
    most = Decimal(90 * 86_400)
    examples = [  # noqa: RUF012 - declared ClassVar in the base
        {"bands": [DAY, LEFT]},
        {"bands": [DAY | {"days": ["mon", "wed"]}, NIGHT, LEFT]},
        {"bands": [NIGHT, LEFT], "increments": {"first": "60", "next": "10"}},
    ]
    parameters = st.fixed_dictionaries(
        {"bands": st.builds(lambda some, last: [*some, last], st.lists(_BANDS, max_size=2), _LAST)},
        optional={"increments": st.fixed_dictionaries({"first": _STEPS, "next": _STEPS})},
    ).filter(_reached)
    bad = [  # noqa: RUF012 - declared ClassVar in the base
        ({}, "bands: missing"),
        ({"bands": [{"connect_fee": "1"}]}, r"bands\[0\].unit_amount: missing"),
        ({"bands": [DAY]}, r"bands\[0\].from: the last band must be for all times"),
        ({"bands": [LEFT, LEFT]}, r"bands\[1\].from: is never reached"),
        ({"bands": [DAY, DAY, LEFT]}, r"bands\[1\].from: is never reached"),
        ({"bands": [DAY | {"from": "8:00"}, LEFT]}, r"bands\[0\].from: give a time"),
        ({"bands": [DAY | {"from": "24:00"}, LEFT]}, r"bands\[0\].from: give a time"),
        ({"bands": [DAY | {"to": "24:01"}, LEFT]}, r"bands\[0\].to: give a time"),
        ({"bands": [DAY | {"to": "08:00"}, LEFT]}, r"bands\[0\].to: is the same as from"),
        ({"bands": [DAY | {"days": ["Mon"]}, LEFT]}, r"bands\[0\].days: use some of mon, tue"),
        ({"bands": [LEFT] * 25}, "bands: give a list of 1 to 24 tables"),
        ({"bands": [LEFT], "increments": {"first": "60"}}, "increments.next: missing"),
        (
            {"bands": [LEFT], "increments": {"first": "0", "next": "1"}},
            "increments.first: must be above zero",
        ),
        (
            {"bands": [LEFT], "increments": {"first": "1", "next": "86401"}},
            "increments.next: must be below",
        ),
    ]

    def costs(self, events: Sequence[Event], parameters: dict[str, Any]) -> list[Fraction]:
        return [time_of_day(each.time, each.units, each.zone, parameters) for each in events]

    def event(self, parameters: dict[str, Any]) -> st.SearchStrategy[Event]:
        del parameters
        later = st.integers(0, 2 * 86_400).map(lambda seconds: timedelta(seconds=seconds))
        times = st.builds(lambda start, more: start + more, st.sampled_from(STARTS), later)
        return st.builds(Event, SECONDS, times)

    def happened(self, parameters: dict[str, Any]) -> st.SearchStrategy[list[Event]]:
        return st.builds(
            lambda events, zone: [replace(event, zone=zone) for event in events],
            super().happened(parameters),
            st.sampled_from(ZONES),
        )

    def example_event(self, draw: random.Random) -> Event:
        seconds = Decimal(draw.randrange(-500, 50_000)) / 10
        later = timedelta(seconds=draw.randrange(3 * 86_400))
        return Event(seconds, STARTS[1] + later, zone="Europe/Berlin")


def _cost(parameters: dict[str, Any], seconds: str, time: datetime, zone: str | None = None) -> Any:
    event = Event(Decimal(seconds), time, zone=zone)
    [amount] = exact_amounts(rate_events([price("time_of_day", parameters)], [[event]]))
    return amount


def test_an_event_over_two_bands_pays_each_and_one_fee() -> None:
    # 17:59 to 18:01: 60 x 1 + 60 x 0.5 + 1
    before_six = datetime(2023, 11, 1, 17, 59, tzinfo=UTC)
    assert _cost({"bands": [DAY, LEFT]}, "120", before_six) == 91
    # In Berlin it is 18:59 already: 120 x 0.5, and the fee of that band is none.
    assert _cost({"bands": [DAY, LEFT]}, "120", before_six, "Europe/Berlin") == 60
    # Given back: without the fee.
    assert _cost({"bands": [DAY, LEFT]}, "-120", before_six) == -90


@pytest.mark.parametrize(
    ("seconds", "first", "following", "billed"),
    [
        ("83", "60", "10", 90),  # 60 + 3 x 10
        ("31", "30", "6", 36),  # 30 + 6
        ("60", "60", "10", 60),
        ("1", "60", "10", 60),
        ("0", "60", "10", 0),  # nothing was connected
        ("-83", "60", "10", -80),  # begun increments left out
        ("-59", "60", "10", 0),
    ],
)
def test_begun_increments_are_billed(seconds: str, first: str, following: str, billed: int) -> None:
    bands = {"bands": [{"unit_amount": "1"}], "increments": {"first": first, "next": following}}
    assert _cost(bands, seconds, datetime(2023, 11, 1, tzinfo=UTC)) == billed


@pytest.mark.parametrize(
    ("midnight", "hours", "by_night"),
    [
        (datetime(2023, 3, 25, 23, tzinfo=UTC), 23, 5),  # 02:00 to 03:00 is left out
        (datetime(2023, 10, 28, 22, tzinfo=UTC), 25, 7),  # 02:00 to 03:00 comes twice
        (datetime(2023, 11, 1, 23, tzinfo=UTC), 24, 6),
    ],
    ids=["23 hours", "25 hours", "24 hours"],
)
def test_days_of_23_and_25_hours(midnight: datetime, hours: int, by_night: int) -> None:
    bands = {"bands": [NIGHT, {"unit_amount": "0"}]}
    amount = _cost(bands, str(hours * 3_600), midnight, "Europe/Berlin")
    assert amount == by_night * 3_600


def test_a_band_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    friday = {"days": ["fri"], "from": "22:00", "to": "06:00", "unit_amount": "1"}
    bands = {"bands": [friday, {"unit_amount": "0"}]}
    # From Friday 21:00, 24 hours: 22:00 to 06:00 on Saturday.
    assert _cost(bands, "86400", datetime(2023, 11, 3, 21, tzinfo=UTC)) == 8 * 3_600
    assert _cost(bands, "86400", datetime(2023, 11, 4, 21, tzinfo=UTC)) == 0


def test_a_zone_that_does_not_exist_is_refused() -> None:
    with pytest.raises(RatingInputError, match="'Mars/Olympus' is not a time zone"):
        _cost({"bands": [LEFT]}, "1", datetime(2023, 11, 1, tzinfo=UTC), "Mars/Olympus")
