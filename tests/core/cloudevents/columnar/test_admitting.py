"""The fast way gives what the contract gives, or nothing."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import epoch_micros
from core.cloudevents.columnar.admitting import (
    Clean,
    admit_clean,
    admit_clean_either,
    admit_clean_single,
    warm_up,
)
from core.cloudevents.columnar.instants import NO_INSTANT, instant
from core.cloudevents.contract import Admitted, admit
from core.cloudevents.instants import epoch_micros_of
from core.cloudevents.json_format import decode_batch
from core.errors import TooLargeError, ValidationError
from core.json_text import Bytes

TENANT = "0190aaaa-0190-7aaa-8aaa-0190aaaa0190"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1",
    "source": "/a",
    "type": "t",
    "subject": "s",
    "time": "2026-11-21T10:00:00Z",
    "data": {"tokens": 12},
}


def _deep(levels: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(levels - 1):
        found = {"a": found}
    return found


_FIRST = datetime(1969, 12, 30)  # noqa: DTZ001 - its text gets a zone
_LAST = datetime(2026, 11, 23)  # noqa: DTZ001 - its text gets a zone

_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
_names = st.one_of(st.text("ab/-_.é漢😀", min_size=1, max_size=9), _texts)
_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        _texts,
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(_texts, inner, max_size=3)
    ),
    max_leaves=8,
)
_times = st.one_of(
    st.datetimes(_FIRST, _LAST).map(lambda at: at.isoformat() + "Z"),
    st.from_regex(r"2026-1[01]-[0-3]\d[Tt][0-2]\d:[0-6]\d:[0-6]\d(\.\d{1,9})?(Z|z|[+-]\d\d:\d\d)",
                  fullmatch=True),
    _texts,
)  # fmt: skip
_clean_events = st.fixed_dictionaries(
    {
        "specversion": st.just("1.0"),
        "id": st.text("ab/-_.é漢😀", min_size=1, max_size=9),
        "source": st.just("/a"),
        "type": st.sampled_from(["t", "usage.tokens"]),
        "subject": st.text("ab/-_.é漢😀", min_size=1, max_size=9),
    },
    optional={
        "time": st.datetimes(_FIRST + timedelta(days=2), _LAST - timedelta(days=1)).map(
            lambda at: at.isoformat() + "Z"
        ),
        "data": st.dictionaries(_texts, _values, max_size=4),
        "traceparent": _values,
    },
)
_odd_changes = st.fixed_dictionaries(
    {},
    optional={
        "specversion": st.one_of(st.just("0.3"), _values),
        "id": st.one_of(_names, _values, st.text("é", min_size=126, max_size=131)),
        "type": st.one_of(st.just("tollbook.void"), _values),
        "subject": st.one_of(_names, _values),
        "time": st.one_of(_times, _values),
        "data": st.one_of(
            _values,
            st.just({"source": "/a", "id": "1"}),
            st.integers(60, 66).map(_deep),
        ),
        "data_base64": _values,
    },
)
_odd_events = st.tuples(_clean_events, _odd_changes).map(lambda both: both[0] | both[1])


def _by_the_contract(body: bytes) -> Admitted | None:
    """What the contract gives; None when it refuses the body, or any of its events."""
    try:
        events = decode_batch(body)
    except (ValidationError, TooLargeError):
        return None
    admitted = admit(events, TENANT, epoch_micros(NOW), escaped=b"\\u" in body)
    return None if admitted.rejections else admitted


def _fast(body: bytes) -> Clean | None:
    return admit_clean(body, TENANT, epoch_micros(NOW))


def _assert_agree(body: bytes) -> bool:
    """Returns whether the body was clean."""
    clean = _fast(body)
    if clean is None:
        return False
    admitted = _by_the_contract(body)
    assert admitted is not None, body
    assert clean.batch.equals(admitted.columns.as_batch()), body
    clean.batch.validate(full=True)
    assert clean.old_count == admitted.old_count
    return True


@given(st.lists(_clean_events, min_size=1, max_size=6), st.sampled_from([None, 1]))
def test_clean_events_come_out_as_the_contract_gives_them(
    events: list[dict[str, Any]], indent: int | None
) -> None:
    assert _assert_agree(json.dumps(events, ensure_ascii=False, indent=indent).encode())


@given(st.lists(st.one_of(_clean_events, _odd_events), max_size=4), st.booleans())
def test_odd_events_are_left_to_the_contract_or_agree(
    events: list[dict[str, Any]], ascii_only: bool
) -> None:
    _assert_agree(json.dumps(events, ensure_ascii=ascii_only).encode())


_pieces = st.sampled_from(
    [
        *(
            b"",
            b'"',
            b"\\",
            b"\\u0000",
            b"\\ud800",
            b"\\u00e9",
            b"\\/",
            b"\\x",
            b"{",
            b"}",
            b"[",
            b"]",
        ),
        *(
            b",",
            b":",
            b" ",
            b"\n",
            b"\x00",
            b"\x1f",
            b"\x7f",
            b"\x80",
            b"\xff",
            b"\xc3",
            b"\xc3\xa9",
        ),
        *(b"0", b"-", b".", b"e5", b"null", b"1.0", b'"id":"2",', b'"data":{},', b'"time":null,'),
    ]
)


@given(
    st.lists(_clean_events, min_size=1, max_size=3),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3), _pieces), min_size=1, max_size=3),
)
def test_whatever_happens_to_the_text_both_ways_agree(
    events: list[dict[str, Any]], changes: list[tuple[float, int, bytes]]
) -> None:
    body = json.dumps(events, ensure_ascii=False).encode()
    for where, cut, piece in changes:
        at = int(where * len(body))
        body = body[:at] + piece + body[at + cut :]
    _assert_agree(body)


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "tollbook.void", "data": {"source": "/a", "id": "1"}},
        {"data_base64": "AA=="},
        {"data": [1]},
        {"data": None},
        {"data": _deep(65)},
        {"data": {"a": "\x00"}},
        {"id": 'a"'},
        {"id": "é" * 129},
        {"subject": ""},
        {"subject": None},
        {"specversion": "1.1"},
        {"time": "2026-11-22T12:00:00.000001Z"},
        {"time": "1969-12-31T23:59:59.999999Z"},
        {"time": "2026-11-21T10:00:60Z"},
        {"time": None},
    ],
)
def test_what_is_odd_is_left_to_the_contract(changes: dict[str, Any]) -> None:
    assert _fast(json.dumps([EVENT, EVENT | changes]).encode()) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"data": _deep(64)},
        {"data": {"a": ['"\\/\b\f\n\r\t é', 1.5e-7, -0, [], {}, True, False, None]}},
        {"id": "x" * 256},
        {"time": "2026-11-22T12:00:00Z"},
        {"time": "1970-01-01T00:00:00Z"},
        {"time": "2024-02-29t23:59:59.1234567+05:30"},
        {"extension": {"any": [1, "\x00".replace("\x00", "é")]}},
        {"data": {"long": "x" * 5_000}},
    ],
)
def test_what_keeps_the_contract_is_taken(changes: dict[str, Any]) -> None:
    body = json.dumps([EVENT, EVENT | changes], ensure_ascii=False).encode()
    assert _assert_agree(body)
    assert _assert_agree(b" \n" + body.replace(b", ", b"\t,\r\n ") + b" ")


def test_events_without_time_or_data_are_taken() -> None:
    bare = {name: EVENT[name] for name in ("specversion", "id", "source", "type", "subject")}
    assert _assert_agree(json.dumps([bare, EVENT, bare]).encode())


def test_one_event_is_no_array() -> None:
    one = json.dumps(EVENT).encode()
    now = epoch_micros(NOW)
    assert _fast(one) is None
    assert admit_clean_single(b"[" + one + b"]", TENANT, now) is None
    assert admit_clean_single(one + b"," + one, TENANT, now) is None
    assert admit_clean_single(b"", TENANT, now) is None
    for found in (
        admit_clean_single(one, TENANT, now),
        admit_clean_either(b"\n" + one, TENANT, now),
        admit_clean_either(b" [" + one + b"]", TENANT, now),
    ):
        assert found is not None
        assert found.batch.num_rows == 1


def test_too_many_or_too_large_events_are_left_to_the_contract() -> None:
    shortest = json.dumps(EVENT | {"data": {}}).encode()
    assert _assert_agree(b"[" + b",".join([shortest] * 10_000) + b"]")
    assert _fast(b"[" + b",".join([shortest] * 10_001) + b"]") is None
    room = 256 * 1024 - len(json.dumps(EVENT | {"data": {"a": ""}}))
    assert _assert_agree(json.dumps([EVENT | {"data": {"a": "x" * room}}]).encode())
    assert _fast(json.dumps([EVENT | {"data": {"a": "x" * (room + 1)}}]).encode()) is None


def test_old_events_are_counted() -> None:
    days = [(NOW - timedelta(days=days)).isoformat() for days in (1, 33, 34, 36, 400)]
    body = json.dumps([EVENT | {"time": time} for time in days]).encode()
    clean = _fast(body)
    assert clean is not None
    assert clean.old_count == 3
    assert _assert_agree(body)


def test_a_tenant_is_part_of_the_key() -> None:
    body = json.dumps([EVENT]).encode()
    other = admit_clean(body, TENANT.replace("a", "b"), epoch_micros(NOW))
    mine = _fast(body)
    assert mine is not None
    assert other is not None
    assert other.batch.column("key") != mine.batch.column("key")
    assert other.batch.column("content_hash") == mine.batch.column("content_hash")


@given(_times)
def test_instants_agree(text: str) -> None:
    expected = NO_INSTANT
    with suppress(ValueError):
        expected = epoch_micros_of(text)
    found = instant(_buffer(text), 0, len(text.encode()))
    assert found in {expected, NO_INSTANT}
    if text.isascii() and text[:4] >= "0001":
        assert found == expected


def _buffer(text: str) -> Bytes:
    return np.frombuffer(bytearray(text.encode()) + bytes(32), np.uint8)


def test_warming_up_needs_nothing() -> None:
    warm_up()
