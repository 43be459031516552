"""Lines over single events among others: which events they get, and what is made of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import polars as pl
import pytest

from rating.engine import derive_period, rate_period
from rating.errors import PriceParameterError, RatingInputError
from rating.frames import EVENTS
from tests.rating.builders import NOVEMBER, exact_amounts, lines, price, usage
from tests.rating.events import NO_USAGE, Event, event_inputs, rate_events, values

RATE = price("percentage", {"rate": "10"}, price_id="rate")
UNITS = price("per_unit", {"amount": "2"}, price_id="units")


def test_lines_over_events_and_over_quantities_are_rated_together() -> None:
    _, events = event_inputs([RATE, RATE], [values("10", "20"), values("5")])
    wanted = lines(
        ("sub-0001", "share", "meter", "rate"),
        ("sub-0000", "units", "meter", "units"),
        ("sub-0000", "share", "meter", "rate"),
        ("sub-0000", "again", "meter", "rate"),
        ("sub-0002", "share", "meter", "rate"),
    )
    used = usage(("sub-0000", "meter", Decimal(30)))
    rated = rate_period(wanted, used, [UNITS, RATE], events)
    assert rated.select("quantity", "event_count", "amount_minor").rows() == [
        (5, 1, 50),
        (30, 1, 6000),
        (30, 2, 300),  # two lines over one meter read the same events
        (30, 2, 300),
        (0, 0, 0),  # no events: shown, and nothing billed
    ]
    steps = derive_period(wanted, used, [UNITS, RATE], events)
    assert sum(exact_amounts(steps)) == sum(exact_amounts(rated))
    assert steps["line_id"].unique(maintain_order=True).to_list() == rated["line_id"][:4].to_list()


def test_events_of_one_time_go_by_their_id() -> None:
    first_free = price("percentage", {"rate": "10", "free_events": 1})
    events = [Event(Decimal(10), event_id="b"), Event(Decimal(20), event_id="a")]
    assert exact_amounts(rate_events([first_free], [events])) == [1]
    assert exact_amounts(rate_events([first_free], [events[::-1]])) == [1]


def test_an_event_that_stands_in_the_frame_twice_is_refused() -> None:
    events = [*values("10", "20"), *values("10")]
    with pytest.raises(RatingInputError, match="event-000 stands twice in sub-0000"):
        rate_events([RATE], [events])


def test_what_is_unmeterable_is_counted_and_not_priced() -> None:
    wanted, events = event_inputs([RATE], [values("10", "20")])
    blind = events.with_columns(
        value=pl.when(pl.col("event_id") == "event-001").then(None).otherwise("value")
    )
    rated = rate_period(wanted, NO_USAGE, [RATE], blind)
    counts = rated.select("quantity", "event_count", "unmeterable_count", "amount_minor").rows()
    assert counts == [(10, 1, 1, 100)]
    nothing = events.with_columns(value=pl.lit(None, EVENTS["value"]))
    rated = rate_period(wanted, NO_USAGE, [RATE], nothing)
    assert rated.select("event_count", "unmeterable_count", "amount_minor").rows() == [(0, 2, 0)]


def test_usage_without_its_events_does_not_pass_for_none() -> None:
    wanted = lines(("sub-0000", "share", "meter", "rate"))
    used = usage(("sub-0000", "meter", Decimal(30)))
    with pytest.raises(RatingInputError, match="price rate reads single events, and those of"):
        rate_period(wanted, used, [RATE])
    assert rate_period(wanted, NO_USAGE, [RATE])["amount_minor"].to_list() == [0]


def test_frames_that_break_their_schema_are_refused() -> None:
    wanted, events = event_inputs([RATE], [values("10")])
    with pytest.raises(RatingInputError, match="events: expected the columns"):
        rate_period(wanted, NO_USAGE, [RATE], events.drop("value"))
    blank = events.with_columns(event_id=pl.lit(None, pl.String))
    with pytest.raises(RatingInputError, match="events: subscription_id, period_start"):
        rate_period(wanted, NO_USAGE, [RATE], blank)
    plain = events.select(EVENTS.names())
    assert rate_period(wanted, NO_USAGE, [RATE], plain)["amount_minor"].to_list() == [100]
    two = [replace(each, zone=zone) for each, zone in zip(values("1", "2"), "ab", strict=True)]
    with pytest.raises(RatingInputError, match="a line is in one zone for a period"):
        rate_events([RATE], [two])


def test_groups_have_running_numbers_of_their_own() -> None:
    one = price("percentage", {"rate": "10", "free_amount": "15", "group_by": ["region"]})
    events = [
        Event(Decimal(10), NOVEMBER + timedelta(seconds=number), f"e{number}", group=group)
        for number, group in enumerate(['["eu"]', '["us"]', '["eu"]', '["us"]'])
    ]
    # 5 over 15 in each
    assert exact_amounts(rate_events([one], [events])) == [1]
    wanted, frame = event_inputs([one], [events])
    told = derive_period(wanted, NO_USAGE, [one], frame)
    assert told.select("group", "tier", "units").rows() == [
        ('["eu"]', 0, 15),
        ('["eu"]', 1, 5),
        ('["us"]', 0, 15),
        ('["us"]', 1, 5),
    ]


def test_what_stands_around_a_price_stands_around_these_as_well() -> None:
    around = {"percent_discount": "50", "amount_discount": "0.25"}
    one = price("percentage", {"rate": "10", "fixed": "0.005"}, adjustments=around)
    least = replace(one, price_id="least", adjustments=around | {"minimum": "3"})
    most = replace(one, price_id="most", adjustments=around | {"maximum": "0.7"})
    rated = rate_events([least, most], [values("10", "10")] * 2)
    # 2.01, half of it 1.005, less 0.25: 0.755, rounded 0.76; 2.24 up to 3
    assert rated.select("amount_minor", "true_up_minor").rows() == [(76, 224), (70, 0)]
    assert exact_amounts(rated) == [Fraction("0.755"), Fraction("0.7")]
    with pytest.raises(PriceParameterError, match=r"free_units: percentage prices no quantity of"):
        rate_events([replace(one, adjustments={"free_units": "5"})], [[]])
