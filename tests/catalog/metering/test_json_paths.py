from __future__ import annotations

import json
import re
from decimal import Context, Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.metering.decimals import REASONS
from catalog.metering.expressions import path_text
from catalog.metering.measuring import read as run
from catalog.metering.plans import compile_meters
from core.events import DATA_DEPTH_MAX
from tests.catalog.metering.meters import meter

PATHS = (("a",), ("a", "b"), ("ä\n", "b"), ("z",))
COMPILED = compile_meters(
    [meter(number, "sum", path_text(path)) for number, path in enumerate(PATHS, start=1)], 9
)
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


def read(texts: list[bytes]) -> tuple[list[bool], list[list[tuple[str, int | None]]]]:
    ends = np.concatenate(([0], np.cumsum([len(text) for text in texts]))).astype(np.int64)
    text = np.frombuffer(b"".join(texts), np.uint8)
    found = run(text, ends, np.zeros(len(texts), np.int64), COMPILED)
    rows = []
    for row in range(len(texts)):
        cells: list[tuple[str, int | None]] = []
        for slot in range(len(PATHS)):
            value = (int(found.high[slot, row]) << 64) + int(found.low[slot, row])
            reason = REASONS[found.reason[slot, row]]
            cells.append((reason, value if reason == "found" else None))
        rows.append(cells)
    return found.valid.astype(bool).tolist(), rows


def refuse(constant: str) -> None:
    raise ValueError(constant)


def expected(  # noqa: PLR0911 - one return for each way a value can be missing
    text: bytes, path: tuple[str, ...]
) -> tuple[bool, str, int | None]:
    """What Python's own reader says of the same text."""
    try:
        value: Any = json.loads(
            text.decode(), parse_float=Decimal, parse_int=Decimal, parse_constant=refuse
        )
    except ValueError:
        return False, "missing", None
    if not isinstance(value, dict):
        return False, "missing", None
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return True, "missing", None
        value = value[name]
    if value is None:
        return True, "missing", None
    if isinstance(value, str) and NUMBER.fullmatch(value):
        value = Decimal(value)
    if not isinstance(value, Decimal):
        return True, "not_a_number", None
    if value and value.adjusted() >= 15:
        return True, "too_large", None
    with localcontext(Context(prec=200, Emin=-(10**17), Emax=10**17)):
        digits = value.normalize().as_tuple()
        if value and isinstance(digits.exponent, int) and digits.exponent < -12:
            return True, "too_precise", None
        return True, "found", int(value * 10**12) if value else 0


numbers = st.one_of(
    st.integers(-(10**17), 10**17).map(str),
    st.decimals(-(10**16), 10**16, places=13).map(lambda number: f"{number:f}"),
    st.from_regex(r"\A-?(0|[1-9][0-9]{0,16})(\.[0-9]{1,14})?([eE][+-]?[0-9]{1,3})?\Z"),
)
scalars = st.one_of(
    numbers,
    numbers.map(json.dumps),
    st.sampled_from(["true", "false", "null", '"1\\u0030"', '"x"', "01", "1.", "-", "NaN", ""]),
    st.text(max_size=5).map(json.dumps),
)
names = st.sampled_from(['"a"', '"\\u0061"', '"b"', '"z"', '"\\u00e4\\n"', '"ä\\n"', '"aa"', '""'])
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(st.tuples(names, inner), max_size=4).map(
            lambda pairs: "{" + ",".join(f"{name} : {value}" for name, value in pairs) + "}"
        ),
        st.lists(inner, max_size=3).map(lambda items: "[ " + ",".join(items) + "]"),
    ),
    max_leaves=12,
)
objects = st.lists(st.tuples(names, values), max_size=5).map(
    lambda pairs: (" {" + ",".join(f"{name}:{value}" for name, value in pairs) + "}\n").encode()
)
damaged = st.tuples(objects, st.integers(0, 200), st.sampled_from(list(b'{}[],:"1e \\x'))).map(
    lambda made: made[0][: made[1]] + bytes([made[2]]) + made[0][made[1] + 1 :]
)


foreign = st.tuples(objects, st.integers(0, 200), st.binary(min_size=1, max_size=4)).map(
    lambda made: made[0][: made[1]] + made[2] + made[0][made[1] + len(made[2]) :]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(objects, damaged, foreign), min_size=1, max_size=20))
def test_values_at_paths_equal_those_of_another_reader(texts: list[bytes]) -> None:
    valid, rows = read(texts)
    for text, is_object, cells in zip(texts, valid, rows, strict=True):
        for path, (reason, value) in zip(PATHS, cells, strict=True):
            assert (is_object, reason, value) == expected(text, path), (text, path)


@pytest.mark.parametrize(
    ("number", "reason", "scaled"),
    [
        ("999999999999999.999999999999", "found", 10**27 - 1),
        ("-999999999999999.999999999999", "found", 1 - 10**27),
        ("1000000000000000", "too_large", None),
        ("1e15", "too_large", None),
        ("9.99e14", "found", 999 * 10**24),
        ("0.000000000001", "found", 1),
        ("-0.000000000001", "found", -1),
        ("0.0000000000010", "found", 1),
        ("0.0000000000001", "too_precise", None),
        ("1e-13", "too_precise", None),
        ("0e99999999999999999999", "found", 0),
        ("1e99999999999999999999", "too_large", None),
        ("1e-99999999999999999999", "too_precise", None),
        ("-0", "found", 0),
        ("18446744073709.551616", "found", 2**64 * 10**6),
    ],
)
def test_a_number_is_exact_or_refused(number: str, reason: str, scaled: int | None) -> None:
    _, rows = read([b'{"a":' + number.encode() + b"}"])
    assert rows[0][0] == (reason, scaled)


def test_nesting_is_read_down_to_the_limit_and_refused_beyond() -> None:
    inside = DATA_DEPTH_MAX - 1
    deepest = b'{"a":' + b"[" * inside + b"]" * inside + b"}"
    beyond = b'{"a":[' + b"[" * inside + b"]" * inside + b"]}"
    assert read([deepest, beyond])[0] == [True, False]


def test_the_last_of_repeated_keys_counts() -> None:
    _, rows = read([b'{"a":1,"a":2}', b'{"a":{"b":1},"a":{}}', b'{"a":{"b":1},"a":{"b":7}}'])
    assert rows[0][0] == ("found", 2 * 10**12)
    assert rows[1][1] == ("missing", None)
    assert rows[2][1] == ("found", 7 * 10**12)
