"""The words of a meter: expressions, filters, conversions, as text and as documents."""

from __future__ import annotations

import re
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP, Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.metering.conversion import Conversion, conversion_of, round_fraction
from catalog.metering.expressions import fits, parse_expression, parse_path, path_text
from catalog.metering.filters import filter_of
from core.errors import ValidationError
from tests.catalog.metering.made import expressions, filters


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("usage.input", "usage.input"),
        (" a+3 *b ", "a + 3 * b"),
        ("(a + b) + c", "a + b + c"),
        ("a + (b + c)", "a + (b + c)"),
        ("a - (b - c) * (2)", "a - (b - c) * 2"),
        ("-(a) * -(b + 1)", "-a * -(b + 1)"),
        ("--a", "--a"),
        ("-" * 16 + "a", "-" * 16 + "a"),
        ("max(a,b , 1.50)", "max(a, b, 1.5)"),
        ('usage."input"."in put"', 'usage.input."in put"'),
        ('"größe"."a\\"b"', '"größe"."a\\"b"'),
        ("007.0", "7"),
        ("ceil(min)", "ceil(min)"),
    ],
)
def test_an_expression_has_one_text(text: str, canonical: str) -> None:
    assert parse_expression(text).text == canonical
    assert parse_expression(canonical).text == canonical


@settings(max_examples=100, deadline=None)
@given(expressions)
def test_the_canonical_text_says_the_same(text: str) -> None:
    expression = parse_expression(text)
    again = parse_expression(expression.text)
    assert (again.instructions, again.text) == (expression.instructions, expression.text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "needs a path"),
        (".", "needs a path"),
        ("a..b", "without a key"),
        ("a.", "without a key"),
        ("a b", "does not end"),
        ("a + ", "needs a path"),
        ("(a", r"misses a \"\)\""),
        ("max(a", r"misses a \"\)\""),
        ("a / b", "cannot be read"),
        ("größe", "cannot be read"),
        ("round(a)", "calls 'round'"),
        ("ceil(a, b)", "more than one"),
        ("max(a)", "only one"),
        ("1000000000000000", "15 digits"),
        ("0.0000000000001", "12 decimals"),
        ("x" * 129, "128 bytes"),
        ('""', "128 bytes"),
        ('"\\x"', "no JSON string"),
        ('"\\ud800"', "no JSON string"),
        (".".join("abcdefghi"), "over 8 steps"),
        ("+".join(["a"] * 33), "64 steps"),
        ("+".join(f"a{n}" for n in range(17)), "16 paths"),
        ("(" * 20 + "a" + ")" * 20, "nested"),
        ("-" * 20 + "a", "nested"),
        ("a" * 1025, "1024 bytes"),
    ],
)
def test_an_expression_that_is_none_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValidationError, match=rf"^value: .*{problem}"):
        parse_expression(text)


def test_a_path_is_an_expression_of_one_step() -> None:
    assert parse_path('usage."in put".tokens') == ("usage", "in put", "tokens")
    assert path_text(("usage", "in put", "1")) == 'usage."in put"."1"'
    assert parse_path(path_text(tuple("abcdefgh"))) == tuple("abcdefgh")
    for text in ("a + b", "3", "ceil(a)"):
        with pytest.raises(ValidationError, match=r"^dimensions: .* is not a path"):
            parse_path(text, "dimensions")


@settings(max_examples=100, deadline=None)
@given(filters)
def test_a_filter_is_read_back_from_its_document(document: dict[str, Any]) -> None:
    assert filter_of(filter_of(document).as_document()) == filter_of(document)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ("x", "filter"),
        ({}, "filter"),
        ({"path": "a"}, "filter"),
        ({"path": "a", "equals": "b", "prefix": "c"}, "filter"),
        ({"path": "a", "ne": "b"}, "filter"),
        ({"path": "a +", "equals": "b"}, "filter.path"),
        ({"path": 3, "equals": "b"}, "filter.path"),
        ({"and": []}, "filter.and"),
        ({"and": "a"}, "filter.and"),
        ({"and": [], "or": []}, "filter.and"),
        ({"or": [{"path": "a", "exists": "yes"}]}, "filter.or[0].exists"),
        ({"path": "a", "equals": 1.5}, "filter.equals"),
        ({"path": "a", "equals": None}, "filter.equals"),
        ({"path": "a", "equals": "x" * 257}, "filter.equals"),
        ({"path": "a", "equals": "\ud800"}, "filter.equals"),
        ({"path": "a", "equals": "\x00"}, "filter.equals"),
        ({"path": "a", "in": [10**256]}, "filter.in[0]"),
        ({"path": "\ud800", "equals": "a"}, "filter.path"),
        ({"path": "a", "in": "b"}, "filter.in"),
        ({"path": "a", "in": []}, "filter.in"),
        ({"path": "a", "in": ["b", 1.5]}, "filter.in[1]"),
        ({"path": "a", "in": [str(n) for n in range(257)]}, "filter.in"),
        ({"path": "a", "gt": "x"}, "filter.gt"),
        ({"path": "a", "gt": True}, "filter.gt"),
        ({"path": "a", "gt": "NaN"}, "filter.gt"),
        ({"path": "a", "gt": "1e15"}, "filter.gt"),
        ({"path": "a", "gt": "1e-13"}, "filter.gt"),
        ({"and": [{"path": "a", "exists": True}] * 65}, "filter"),
    ],
)
def test_a_filter_that_is_none_is_refused(document: object, field: str) -> None:
    with pytest.raises(ValidationError, match=rf"^{re.escape(field)}: "):
        filter_of(document)


def test_a_filter_nested_too_deep_is_refused() -> None:
    document: dict[str, Any] = {"path": "a", "exists": True}
    for _ in range(9):
        document = {"and": [document]}
    with pytest.raises(ValidationError, match="nested"):
        filter_of(document)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ("0.001", "conversion"),
        ({"factor": "1", "scale": 2}, "conversion"),
        ({}, "conversion.factor"),
        ({"factor": 0.001}, "conversion.factor"),
        ({"factor": "x"}, "conversion.factor"),
        ({"factor": "0"}, "conversion.factor"),
        ({"factor": "-1"}, "conversion.factor"),
        ({"factor": "1e-13"}, "conversion.factor"),
        ({"factor": "1e1000000"}, "conversion.factor"),
        ({"factor": "1" + 14 * "0" + "." + 24 * "0" + "1"}, "conversion.factor"),
        ({"factor": True}, "conversion.factor"),
        ({"factor": "1", "rounding": "up"}, "conversion.rounding"),
        ({"factor": "1", "decimals": 0}, "conversion.rounding"),
        ({"factor": "1", "rounding": "off", "decimals": 0}, "conversion.rounding"),
        ({"factor": "1", "rounding": "up", "decimals": 13}, "conversion.decimals"),
        ({"factor": "1", "rounding": "up", "decimals": "0"}, "conversion.decimals"),
    ],
)
def test_a_conversion_that_is_none_is_refused(document: object, field: str) -> None:
    with pytest.raises(ValidationError, match=rf"^{re.escape(field)}: "):
        conversion_of(document)


def test_a_conversion_multiplies_and_rounds_once() -> None:
    thousands = conversion_of({"factor": "0.0010", "rounding": "up", "decimals": 0})
    assert thousands == Conversion(Decimal("0.001"), "up", 0)
    assert conversion_of(thousands.as_document()) == thousands
    assert [thousands.of(Fraction(each)) for each in (1000, 1001, 0, -1)] == [1, 2, 0, -1]
    plain = conversion_of({"factor": 60})
    assert plain.of(Fraction(1, 7)) == Fraction(60, 7)
    assert conversion_of(plain.as_document()) == plain


@settings(max_examples=300, deadline=None)
@given(st.decimals(-1000, 1000, places=4, allow_nan=False), st.integers(0, 3))
def test_rounding_is_that_of_decimal(number: Decimal, decimals: int) -> None:
    modes = {
        "up": ROUND_UP,
        "down": ROUND_DOWN,
        "half_even": ROUND_HALF_EVEN,
        "half_away_from_zero": ROUND_HALF_UP,
    }
    for name, mode in modes.items():
        expected = Fraction(number.quantize(Decimal(1).scaleb(-decimals), mode))
        assert round_fraction(Fraction(number), decimals, name) == expected


@pytest.mark.parametrize(
    ("number", "inside"),
    [("999999999999999.999999999999", True), ("1e15", False), ("1e-12", True), ("1e-13", False),
     ("-0", True), ("NaN", False), ("Infinity", False), ("1.0000000000000", True)],
)  # fmt: skip
def test_what_a_value_may_be(number: str, inside: bool) -> None:
    assert fits(Decimal(number)) == inside
