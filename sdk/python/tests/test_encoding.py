from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tollbook.encoding import encode_json
from tollbook.errors import InvalidEventError


@pytest.mark.parametrize(
    "text",
    [
        "1.10",
        "0.1",
        "123456789012345678901234567890.123456789012",
        "1E+3",
        "-0",
        "0E-12",
        "-1.5E-9",
    ],
)
def test_a_decimal_is_sent_with_the_digits_it_has(text: str) -> None:
    encoded = encode_json({"tokens": Decimal(text)})
    assert encoded == f'{{"tokens":{text}}}'
    assert json.loads(encoded, parse_float=Decimal, parse_int=Decimal) == {"tokens": Decimal(text)}


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -(10**30),
        1.5,
        1e300,
        "",
        'quote " backslash \\ tab \t newline \n control \x01 é 😀 \u2028',
        [],
        [1, [2, {"a": None}]],
        {"é": {"b": [True, "x"]}},
    ],
)
def test_other_values_read_back_as_they_were(value: Any) -> None:  # noqa: ANN401 - any JSON value
    assert json.loads(encode_json(value)) == value


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"a": float("nan")}, "data.a: nan"),
        ({"a": [1, float("-inf")]}, r"data.a\[1\]: -inf"),
        ({"a": Decimal("NaN")}, "data.a: NaN"),
        ({"a": Decimal("Infinity")}, "data.a: Infinity"),
        ({"a": 10**5000}, "data.a: the number has too many digits"),
        ({"a": {1, 2}}, "data.a: set has no JSON form"),
        ({"a": {1: 2}}, "data.a: key 1 is not text"),
        ({"a": "\x00"}, "data.a: holds a NUL"),
        ({"a": "\ud800"}, "data.a: holds a lone surrogate"),
        ({"a": b"bytes"}, "data.a: bytes has no JSON form"),
    ],
)
def test_what_json_cannot_say_is_refused_with_its_place(value: object, place: str) -> None:
    with pytest.raises(InvalidEventError, match=place):
        encode_json(value)


def test_endless_nesting_is_refused() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(InvalidEventError, match="nested deeper than 100"):
        encode_json(endless)
