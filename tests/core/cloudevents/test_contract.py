from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.metering.aggregate import compile_meters, measure
from core.clock import epoch_micros
from core.cloudevents.contract import Admitted, admit
from core.cloudevents.json_format import decode_batch
from core.cloudevents.wire import Rejection
from core.events import content_hash, event_key

TENANT = "0190aaaa-0190-7aaa-8aaa-0190aaaa0190"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1",
    "source": "/a",
    "type": "t",
    "subject": "s",
}


def _admit(body: bytes) -> Admitted:
    return admit(decode_batch(body), TENANT, epoch_micros(NOW), escaped=b"\\u" in body)


def _one(**changes: object) -> Rejection | None:
    admitted = _admit(json.dumps([EVENT | changes]).encode())
    return admitted.rejections[0] if admitted.rejections else None


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"specversion": "0.3"}, "unsupported_spec_version", 'specversion: expected "1.0"'),
        ({"specversion": None}, "unsupported_spec_version", "got none"),
        ({"id": None}, "missing_attribute", "id: required"),
        ({"source": ""}, "missing_attribute", "source: required"),
        ({"type": ""}, "missing_attribute", "type: required"),
        ({"subject": None}, "missing_attribute", "subject: required"),
        ({"id": "é" * 129}, "attribute_too_long", "id: 258 bytes"),
        ({"subject": "s" * 257}, "attribute_too_long", "subject: 257 bytes"),
        ({"type": 5}, "invalid_event", "Expected `str | null`, got `int` - at `$.type`"),
        ({"data": "text"}, "unsupported_data", "data: expected a JSON object"),
        ({"data": [1]}, "unsupported_data", "data: expected a JSON object"),
        ({"data_base64": "AA=="}, "unsupported_data", "data_base64: binary data"),
        ({"time": "yesterday"}, "invalid_time", "time: 'yesterday': expected an RFC 3339"),
        ({"time": "2026-11-22T12:00:00.000001Z"}, "time_too_far_ahead", "24 hours ahead"),
        ({"time": "1969-12-31T23:59:59Z"}, "time_too_early", "before 1970"),
        ({"id": "a\x00"}, "invalid_text", "id: holds a NUL"),
        ({"data": {"a": "\x00"}}, "invalid_text", "data: holds a NUL"),
        ({"data": {"a\x00": 1}}, "invalid_text", "data: holds a NUL"),
    ],
)
def test_a_breach_of_the_contract_is_named(
    changes: dict[str, object], code: str, message: str
) -> None:
    rejection = _one(**changes)
    assert rejection is not None
    assert rejection.code == code
    assert message in rejection.message


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "é" * 128, "source": "x" * 256, "type": "y" * 256, "subject": "z" * 256},
        {"time": "2026-11-22T12:00:00Z"},
        {"time": "1970-01-01T00:00:00Z"},
        {"data": {"a": "\\u0000 is text here", "é": "😀"}},
        {"comexample": "\x00 in an extension is not read"},
        {"data": None, "time": None},
    ],
)
def test_what_lies_at_the_limits_is_accepted(changes: dict[str, object]) -> None:
    assert _one(**changes) is None


def test_no_data_is_the_empty_object_and_no_time_is_the_receive_time() -> None:
    columns = _admit(json.dumps([EVENT]).encode()).columns
    assert columns.data == [b"{}"]
    assert columns.time == columns.received_at == [epoch_micros(NOW)]
    assert columns.content_hash == [content_hash("t", "s", None, b"{}")]


def test_events_older_than_the_horizon_are_accepted_and_counted() -> None:
    edge = NOW - timedelta(days=35) + timedelta(hours=25)
    times = [edge, edge - timedelta(microseconds=1), datetime(2023, 11, 16, tzinfo=UTC)]
    body = json.dumps([EVENT | {"time": f"{time:%Y-%m-%dT%H:%M:%S.%fZ}"} for time in times])
    admitted = _admit(body.encode())
    assert (len(admitted.columns), admitted.old_count) == (3, 2)


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.just("x" * 300)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)
_TIMES = st.sampled_from(
    ["2026-11-21T00:00:00Z", "2027-01-01T00:00:00Z", "2026-11-21T00:00:60Z", "", None, 4]
)
_EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "specversion": st.sampled_from(["1.0", "1.0", "1.0", "1", None]),
        "id": _TEXTS | _VALUES,
        "source": _TEXTS,
        "type": _TEXTS,
        "subject": _TEXTS,
        "time": _TIMES,
        "data": _VALUES | st.dictionaries(_TEXTS, _VALUES),
        "extension": _VALUES,
    },
)
_GOOD = st.fixed_dictionaries(
    dict.fromkeys(("id", "source", "type", "subject"), st.text("abcé€😀", min_size=1, max_size=9)),
    optional={"data": st.dictionaries(_TEXTS, _VALUES), "extension": _VALUES},
).map(lambda event: {**event, "specversion": "1.0"})
_BODIES = st.lists(_GOOD | _EVENTS | _VALUES, max_size=6)


def _is_good(event: Any) -> bool:
    """The contract once more, over the values that Python's own parser gives."""
    if not isinstance(event, dict) or event.get("specversion") != "1.0":
        return False
    texts = [event.get(name) for name in ("id", "source", "type", "subject")]
    if not all(isinstance(t, str) and 1 <= len(t.encode()) <= 256 and "\0" not in t for t in texts):
        return False
    if event.get("time") not in (None, "2026-11-21T00:00:00Z"):
        return False
    data = event.get("data")
    # Python's own writer escapes NUL so, and doubles a backslash before it.
    written = re.sub(r"\\\\", "", json.dumps(data))
    return data is None or (isinstance(data, dict) and "\\u0000" not in written)


@given(_BODIES, st.booleans())
def test_decoded_events_equal_those_of_an_independent_parser(
    events: list[Any], ascii_only: bool
) -> None:
    body = json.dumps(events, ensure_ascii=ascii_only).encode()
    admitted = _admit(body)
    parsed = json.loads(body)
    good = [event for event in parsed if _is_good(event)]
    bad = [index for index, event in enumerate(parsed) if not _is_good(event)]
    assert [rejection.index for rejection in admitted.rejections] == bad
    columns = admitted.columns
    assert columns.id == [event["id"] for event in good]
    assert columns.source == [event["source"] for event in good]
    assert columns.type == [event["type"] for event in good]
    assert columns.subject == [event["subject"] for event in good]
    assert [json.loads(data) for data in columns.data] == [e.get("data") or {} for e in good]
    assert columns.key == [event_key(TENANT, event["source"], event["id"]) for event in good]
    assert columns.content_hash == [
        content_hash(event["type"], event["subject"], event.get("time"), data)
        for event, data in zip(good, columns.data, strict=True)
    ]
    assert set(columns.tenant_id) <= {TENANT}


@pytest.mark.parametrize(
    ("data", "fits"),
    [
        (b'{"a":' + b"[" * 63 + b"]" * 63 + b"}", True),
        (b'{"a":' + b"[" * 64 + b"]" * 64 + b"}", False),
        (b'{"a":"' + b"[{" * 100 + b'\\"[[["}', True),
        (b'{"a":[' + b",".join([b"{}"] * 100) + b"]}", True),
    ],
    ids=["deepest", "too-deep", "in-a-string", "many-side-by-side"],
)
def test_data_may_be_nested_as_deep_as_the_stream_reads_it(data: bytes, *, fits: bool) -> None:
    events = pl.DataFrame({"tenant_id": [TENANT], "type": ["t"], "data": [data]})
    assert measure(events, compile_meters([], 0))["is_object"].to_list() == [fits]
    refused = _one(data=json.loads(data))
    if fits:
        assert refused is None
    else:
        assert refused is not None
        assert refused.message == "data: nested deeper than 64; flatten it"
