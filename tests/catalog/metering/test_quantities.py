"""Every registered aggregation: what it states, and its quantities against a plain recount."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.metering.aggregate import (
    USAGE_SCHEMA,
    aggregate,
    compile_meters,
    measure,
    merge,
    total,
)
from catalog.metering.aggregations import AGGREGATIONS, MICROS, Aggregation
from catalog.meters import MeterDefinition
from core.period import Period
from tests.catalog.metering.made import START, definition, events, frame, meters
from tests.catalog.metering_oracle import Event, Meter, quantity, standing

BY = ("subject",)
NAMES = sorted(AGGREGATIONS)
POSITION = ("generation", "partition", "offset", "row")


def quantities(meter: MeterDefinition, log: list[Event], period: Period) -> dict[str, Fraction]:
    """By subject, over all dimensions, through the registry alone."""
    of = AGGREGATIONS[meter.aggregation]
    inside = [event for event in log if event.time in period]
    compiled = compile_meters([meter], 1)
    if of.of_values is not None:
        found = of.of_values(
            values(meter, inside),
            carried(meter, log, period),
            BY,
            period,
            str(meter.per or meter.percentile),
        )
    else:
        assert of.of_row is not None
        kept = inside if of.linear else standing(inside)
        rows = aggregate(frame(kept), compiled).with_columns(dimensions=pl.lit(""), hour=START)
        found = merge(rows, compiled).select(
            *BY, numerator=of.of_row.numerator, denominator=of.of_row.denominator
        )
    return {
        row["subject"]: Fraction(row["numerator"]) / Fraction(row["denominator"])
        for row in found.to_dicts()
        if row["numerator"] is not None
    }


def values(meter: MeterDefinition, log: list[Event]) -> pl.DataFrame:
    """The metered events that stand, one by one: subject, value, time, position."""
    asked = replace(meter, aggregation="latest", per=None, percentile=None)
    compiled = compile_meters([asked], 1)
    single = total(measure(frame(standing(log)), compiled), compiled, POSITION)
    return single.filter(pl.col("event_count") > 0).select(
        "subject", value="latest", time="latest_time", position="latest_position"
    )


def carried(meter: MeterDefinition, log: list[Event], period: Period) -> pl.DataFrame:
    before = values(meter, [event for event in log if event.time < period.start])
    return before.sort("time", "position").group_by(BY).agg(pl.col("value").last())


@st.composite
def periods(draw: st.DrawFn) -> Period:
    start = START + timedelta(
        minutes=draw(st.integers(0, 100)), microseconds=draw(st.integers(0, 1))
    )
    return Period(start, start + timedelta(minutes=draw(st.integers(1, 100))))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(made=st.data())
def test_quantities_equal_a_plain_recount(name: str, made: st.DataObject) -> None:
    meter: Meter = made.draw(meters(1, name))
    log, period = made.draw(events()), made.draw(periods())
    found = quantities(definition(meter, 1), log, period)
    for subject in {event.subject for event in log}:
        wanted = quantity(meter, log, period.start, period.end, subject)
        if wanted is None or (wanted == 0 and subject not in found):
            assert subject not in found
        else:
            assert found[subject] == wanted


@pytest.mark.parametrize("name", NAMES)
def test_an_aggregation_fills_only_the_columns_that_it_states(name: str) -> None:
    of: Aggregation = AGGREGATIONS[name]
    assert of.name == name
    assert (of.of_row is None) != (of.of_values is None)
    meter: Meter = {
        "id": "00000000-0000-0000-0000-000000000009",
        "tenant_id": "00000000-0000-0000-0000-000000000001",
        "event_types": ["call"],
        "aggregation": name,
    }
    if of.reads != "nothing":
        meter["value"] = "n"
    if of.parameter is not None:
        meter[of.parameter] = "day" if of.parameter == "per" else "50"
    log = [event('{"n": 7}'), event('{"n": 8}')]
    row = aggregate(frame(log), compile_meters([definition(meter, 1)], 1)).to_dicts()[0]
    filled = {
        column
        for column in ("sum", "min", "max", "latest", "distinct_values")
        if row[column] not in (None, 0, [])
    }
    assert filled == of.columns
    assert (row["latest_position"] != "") == (row["latest_time"] is not None)
    assert (row["latest"] is not None) == (row["latest_time"] is not None)
    assert row["event_count"] == 2


def event(data: str, minute: int = 0, position: int = 0) -> Event:
    tenant = "00000000-0000-0000-0000-000000000001"
    at = START + timedelta(minutes=minute)
    return Event(tenant, "call", "u", at, data, (1, 0, position, 0), key=str(position))


def level(*changes: tuple[int, str]) -> pl.DataFrame:
    rows = [
        {
            "subject": "u",
            "value": value,
            "time": START + timedelta(minutes=minute),
            "position": f"{at}",
        }
        for at, (minute, value) in enumerate(changes)
    ]
    schema = pl.Schema(
        {"subject": pl.String(), "value": pl.String(), "time": USAGE_SCHEMA["hour"],
         "position": pl.String()}
    )  # fmt: skip
    return pl.DataFrame(rows, schema=schema).with_columns(pl.col("value").cast(USAGE_SCHEMA["sum"]))


HOUR = Period(START, START + timedelta(hours=1))


@pytest.mark.parametrize(
    ("changes", "before", "hours"),
    [
        ([(0, "2")], None, Fraction(2)),
        ([(30, "2")], None, Fraction(1)),
        ([(30, "2")], "4", Fraction(3)),
        ([], "4", Fraction(4)),
        ([(0, "9"), (0, "1")], "4", Fraction(1)),
        ([(20, "-3"), (40, "0.5")], None, Fraction(-3, 3) + Fraction(1, 6)),
        ([(15, "0")], "999999999999999.999999999999", Fraction("999999999999999.999999999999") / 4),
    ],
)
def test_a_level_holds_until_the_next_one(
    changes: list[tuple[int, str]], before: str | None, hours: Fraction
) -> None:
    of = AGGREGATIONS["weighted_sum"].of_values
    assert of is not None
    held = level(*([(0, before)] if before else [])).select("subject", "value")
    found = of(level(*changes), held, BY, HOUR, "hour").to_dicts()[0]
    assert Fraction(found["numerator"]) / Fraction(found["denominator"]) == hours
    assert found["denominator"] == str(MICROS["hour"])


@pytest.mark.parametrize(
    ("percentile", "values", "expected"),
    [
        ("50", ["1", "2", "3", "4"], "2"),
        ("95", [str(n) for n in range(1, 101)], "95"),
        ("95.1", [str(n) for n in range(1, 101)], "96"),
        ("100", ["3", "1"], "3"),
        ("0.000000000001", ["3", "1"], "1"),
        ("75", ["-1.5"], "-1.5"),
    ],
)
def test_a_percentile_is_the_value_at_the_nearest_rank(
    percentile: str, values: list[str], expected: str
) -> None:
    of = AGGREGATIONS["percentile"].of_values
    assert of is not None
    points = level(*((0, value) for value in values))
    found = of(points, points.clear(), BY, HOUR, percentile)
    assert found.rows() == [("u", expected, "1")]
    assert of(points.clear(), points.clear(), BY, HOUR, percentile).is_empty()
