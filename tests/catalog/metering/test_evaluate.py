"""What each value, filter and dimension makes of one event, case by case; decimals by property."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.metering import decimals
from catalog.metering.aggregate import aggregate, compile_meters
from catalog.metering.filters import filter_of
from tests.catalog.metering.made import frame
from tests.catalog.metering.meters import TENANT, meter
from tests.catalog.metering_oracle import Event

AT = datetime(2026, 3, 1, tzinfo=UTC)
SCALE = 10**12
LIMIT = 10**27


def rows(data: str, *chosen: Any) -> list[dict[str, Any]]:
    log = [Event(str(TENANT), "call", "u", AT, data, (1, 0, 0, 0))]
    return aggregate(frame(log), compile_meters(chosen, len(chosen))).to_dicts()


def reading(data: str, value: str, **words: Any) -> Fraction | str:
    """The value that a sum takes from one event, or why it cannot."""
    row = rows(data, meter(1, "sum", value, **words))[0]
    reasons = [name for name, count in row.items() if name.endswith("_count") and count]
    if reasons == ["event_count"]:
        return Fraction(row["sum"])
    assert reasons[0] == "unmeterable_count"
    assert row["unmeterable_count"] == row[reasons[1]] == 1
    return reasons[1].removesuffix("_count")


@pytest.mark.parametrize(
    ("data", "value", "expected"),
    [
        ('{"a": 2, "b": "3.5"}', "a + 3 * b", Fraction("12.5")),
        ('{"a": 2, "b": 3}', "(a + 3) * b", 15),
        ('{"a": 2, "b": 3}', "a - b - 1", -2),
        ('{"a": 2, "b": 3}', "a - (b - 1)", 0),
        ('{"a": 2}', "-a * -a", 4),
        ('{"a": 2.0000001}', "ceil(a)", 3),
        ('{"a": -2.0000001}', "ceil(a) + floor(a)", -5),
        ('{"a": 2}', "ceil(a) + floor(a)", 4),
        ('{"a": 5, "b": 7}', "min(a, b, 6) + max(a, b, 6)", 12),
        ('{"b": 7}', "coalesce(a, b, 1)", 7),
        ('{"a": null, "b": 7}', "coalesce(a, b)", 7),
        ('{"b": 7}', "coalesce(a + b, 4)", 4),
        ('{"b": 7}', "coalesce(a, gone)", "missing"),
        ('{"a": "x", "b": 7}', "coalesce(a, b)", "not_a_number"),
        ('{"b": 7}', "a + b", "missing"),
        ('{"a": {}, "b": 7}', "b + a", "not_a_number"),
        ('{"a": true}', "a", "not_a_number"),
        ('{"a": null}', "a", "missing"),
        ('{"a": []}', "a", "not_a_number"),
        ('{"a": "x"}', "a", "not_a_number"),
        ('{"a": "1 "}', "a", "not_a_number"),
        ('{"a": 1e15}', "a", "too_large"),
        ('{"a": 999999999999999}', "a + 1", "too_large"),
        ('{"a": 999999999999999}', "a + 1 - 1", "too_large"),
        ('{"a": 999999999999999.1}', "ceil(a)", "too_large"),
        ('{"a": 31622777}', "a * a", "too_large"),
        ('{"a": 1e-13}', "a", "too_precise"),
        ('{"a": 0.0000001}', "a * a", "too_precise"),
        ('{"a": 0.000001}', "a * a", Fraction(1, 10**12)),
        ('{"usage": {"in put": 3, "dots.in": 4}}', 'usage."in put" * usage."dots.in"', 12),
        ('{"min": 3}', "min", 3),
    ],
)
def test_a_value_is_exact_or_has_a_reason(data: str, value: str, expected: object) -> None:
    assert reading(data, value) == expected


@pytest.mark.parametrize(
    ("test", "taken", "left_out"),
    [
        ({"equals": "a"}, ['"a"', '"\\u0061"'], ['"A"', '"ab"', '""', "null", "[]", '["a"]', ""]),
        ({"equals": "1.0"}, ["1.0", '"1.0"'], ["1", '"1"', "1.00"]),
        ({"equals": True}, ["true", '"true"'], ["false", "1"]),
        ({"equals": ""}, ['""'], ["null", "{}", ""]),
        ({"in": ["a", 7]}, ['"a"', "7", '"7"'], ["7.0", "null", ""]),
        ({"not_in": ["a", 7]}, ["7.0", "null", "", "{}", '"b"'], ['"a"', "7"]),
        ({"exists": True}, ["0", '""', "false", "{}", "[]"], ["null", ""]),
        ({"exists": False}, ["null", ""], ["0", '""', "{}"]),
        ({"prefix": "gpt-"}, ['"gpt-4"', '"gpt-"'], ['"gpt"', '"xgpt-"', "null", ""]),
        ({"prefix": "1"}, ["1", "12.5", '"1x"'], ["21"]),
        ({"gt": "1.5"}, ["1.500000000001", '"2"', "1e99", "1.50000000000000001"], ["1.5", "-1e99"]),
        ({"gte": "1.5"}, ["1.5", "1.50000000000000001"], ["1.49999999999999999", '"x"', "true"]),
        ({"lt": "-1.5"}, ["-1.50000000000000001", "-2", "-1e20"], ["-1.5", "0", "null", "", "{}"]),
        ({"lte": "-1.5"}, ["-1.5", "-1.50000000000000001"], ["-1.49999999999999999", '""']),
    ],
)
def test_a_test_takes_and_leaves_out(
    test: dict[str, Any], taken: list[str], left_out: list[str]
) -> None:
    counted = meter(1, "count", filter=filter_of({"path": "x.y"} | test))
    for value, expected in [(each, 1) for each in taken] + [(each, 0) for each in left_out]:
        data = f'{{"x": {{"y": {value}}}}}' if value else '{"x": {}}'
        assert len(rows(data, counted)) == expected, value


def test_and_and_or_join_tests() -> None:
    a, b = {"path": "a", "exists": True}, {"path": "b", "exists": True}
    both = meter(1, "count", filter=filter_of({"and": [a, b]}))
    one = meter(2, "count", filter=filter_of({"or": [a, {"and": [b, {"path": "c", "gt": "1"}]}]}))
    for data, taken in [
        ("{}", []),
        ('{"a":1}', [2]),
        ('{"b":1,"c":2}', [2]),
        ('{"a":1,"b":1}', [1, 2]),
    ]:
        found = [int(row["meter_id"][-4:], 16) - 1000 for row in rows(data, both, one)]
        assert found == taken


@pytest.mark.parametrize(
    ("value", "dimensions"),
    [
        ('"gpt-4"', '["gpt-4"]'),
        ("1.50", '["1.50"]'),
        ("true", '["true"]'),
        ("null", "[null]"),
        ("{}", "[null]"),
        ('"a\\"b\\\\\\u0001\\n\\u00e9"', '["a\\"b\\\\\\u0001\\né"]'),
        ('"\\ud83d\\ude00"', '["😀"]'),
        ('"\\ud83d"', '["\ufffd"]'),
        (f'"{"é" * 128}"', f'["{"é" * 128}"]'),
    ],
)
def test_dimensions_are_texts_in_a_json_array(value: str, dimensions: str) -> None:
    by_model = meter(1, "count", dimensions=(("model", "m"),))
    row = rows(f'{{"m": {value}}}', by_model)[0]
    assert (row["dimensions"], row["event_count"]) == (dimensions, 1)


def test_dimensions_stand_in_the_order_of_their_names() -> None:
    row = rows('{"a": 1}', meter(1, "count", dimensions=(("z", "a"), ("b", "gone"))))[0]
    assert row["dimensions"] == '[null,"1"]'


def test_what_is_too_long_is_told_apart_and_never_cut() -> None:
    data = f'{{"m": "{"é" * 128}x", "n": 1}}'
    by_model = (("model", "m"),)
    (counted,) = rows(data, meter(1, "count", dimensions=by_model))
    assert (counted["dimensions"], counted["event_count"], counted["too_long_count"]) == (
        "[null]",
        0,
        1,
    )
    (unique,) = rows(data, meter(1, "unique_count", "m"))
    assert (unique["distinct_values"], unique["too_long_count"]) == ([], 1)
    (missing,) = rows(data, meter(1, "sum", "gone", dimensions=by_model))
    assert (missing["missing_count"], missing["too_long_count"]) == (1, 0)


def test_several_types_of_one_meter_make_one_row() -> None:
    both = meter(1, "sum", "n", event_types=("call", "store"))
    log = [
        Event(str(TENANT), kind, "u", AT, '{"n": 3}', (1, 0, place, 0))
        for place, kind in enumerate(("call", "store", "other"))
    ]
    (row,) = aggregate(frame(log), compile_meters([both], 1)).to_dicts()
    assert (row["event_count"], row["sum"]) == (2, 6)


scaled = st.one_of(
    st.integers(1 - LIMIT, LIMIT - 1),
    st.integers(-(10**15), 10**15),
    st.integers(-(10**6), 10**6).map(lambda whole: whole * SCALE),
    st.sampled_from([0, 1, -1, SCALE, -SCALE, LIMIT - 1, 1 - LIMIT]),
)


def limbs(number: int) -> tuple[int, int, int]:
    middle, low = divmod(number, 10**9)
    high, middle = divmod(middle, 10**9)
    return high, middle, low


def checked(result: tuple[int, int, int, int]) -> int | str:
    code, high, middle, low = result
    if code != decimals.FOUND:
        return decimals.REASONS[code]
    assert 0 <= middle < 10**9
    assert 0 <= low < 10**9
    return (high * 10**9 + middle) * 10**9 + low


def within(number: Fraction) -> int | str:
    if abs(number) >= LIMIT:
        return "too_large"
    return int(number) if number.denominator == 1 else "too_precise"


@settings(max_examples=400, deadline=None)
@given(scaled, scaled)
def test_compiled_decimals_equal_fractions(a: int, b: int) -> None:
    one, other = limbs(a), limbs(b)
    summed = decimals.carried(*(x + y for x, y in zip(one, other, strict=True)))
    assert checked(decimals.checked(*summed)) == within(Fraction(a + b))
    assert checked(decimals.multiplied(*one, *other)) == within(Fraction(a * b, SCALE))
    assert decimals.compare(*one, *other) == (a > b) - (a < b)
    assert checked(decimals.floored(*one[:2])) == within(Fraction(a // SCALE * SCALE))
    assert checked(decimals.ceiled(*one)) == within(Fraction(-(-a // SCALE) * SCALE))
    high, low = decimals.to_limbs(*one)
    assert (int(high) << 64) + int(low) == a
