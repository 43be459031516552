from __future__ import annotations

import json

import pytest

from core.cloudevents.json_format import decode_batch, decode_either, decode_single
from core.cloudevents.wire import Rejection, WireEvent
from core.errors import TooLargeError, ValidationError
from core.events import EVENT_BYTES_MAX
from ingest.errors import UnsupportedMediaTypeError
from ingest.formats.registry import format_for

EVENT = {"specversion": "1.0", "id": "1", "source": "/a", "type": "t", "subject": "s"}


def _big(data_bytes: int) -> dict[str, object]:
    return {**EVENT, "data": {"text": "x" * data_bytes}}


def test_the_text_of_data_is_kept_exactly() -> None:
    text = b'{ "a" : 1.10, "b":[1e3 ,  "\\u00e9"] }'
    (event,) = decode_single(json.dumps(EVENT)[:-1].encode() + b', "data": ' + text + b" }")
    assert isinstance(event, WireEvent)
    assert bytes(event.data) == text


def test_null_attributes_count_as_absent_and_extensions_are_ignored() -> None:
    body = json.dumps({**EVENT, "time": None, "data": None, "traceparent": {"any": 1}, "x": 2})
    (event,) = decode_single(body.encode())
    assert isinstance(event, WireEvent)
    assert event.time is None


def test_an_event_of_another_shape_is_named_and_the_others_are_read() -> None:
    body = json.dumps([EVENT, {**EVENT, "id": "2", "time": 5}, 7, {**EVENT, "id": 3}, EVENT])
    first, second, third, fourth, fifth = decode_batch(body.encode())
    assert isinstance(first, WireEvent)
    assert isinstance(fifth, WireEvent)
    assert second == Rejection(
        1, "2", "invalid_event", "event: Expected `str | null`, got `int` - at `$.time`"
    )
    assert third == Rejection(2, None, "invalid_event", "event: Expected `object`, got `int`")
    assert isinstance(fourth, Rejection)
    assert (fourth.index, fourth.id) == (3, None)


def test_an_event_over_the_limit_is_named_and_one_at_the_limit_is_read() -> None:
    frame = len(json.dumps(_big(0)))
    at_limit, over = _big(EVENT_BYTES_MAX - frame), _big(EVENT_BYTES_MAX - frame + 1)
    small, fits, refused = decode_batch(json.dumps([EVENT, at_limit, over]).encode())
    assert isinstance(small, WireEvent)
    assert isinstance(fits, WireEvent)
    assert refused == Rejection(
        2, "1", "event_too_large", "event: 262145 bytes, the limit is 262144"
    )
    (single,) = decode_single(b" " + json.dumps(over).encode())
    assert isinstance(single, Rejection)


def test_more_events_than_the_limit_are_refused_as_a_whole() -> None:
    assert len(decode_batch(b"[" + b",".join([b"{}"] * 10_000) + b"]")) == 10_000
    with pytest.raises(TooLargeError, match="10001 events, the limit is 10000"):
        decode_batch(b"[" + b",".join([b"{}"] * 10_001) + b"]")
    long = b"[" + b",".join([json.dumps(EVENT).encode()] * 10_001) + b"]"
    with pytest.raises(TooLargeError, match="10001 events"):
        decode_batch(long)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "truncated"),
        (b"{", "truncated"),
        (b"nothing", "invalid character"),
        (b'[{"id":"\xff"}]', "not UTF-8 at byte 8"),
        (b'[{"extension":"\xff"}]', "not UTF-8"),
        (b'[{"data":{"a":NaN}}]', "invalid character"),
        (b'[{"data":{"a":01}}]', "invalid number"),
        (rb'[{"data":{"a":"\ud800 "}}]', "malformed|truncated"),
        (b'[{"data":{"a":"\x00"}}]', "invalid character"),
        (b"[]]", "trailing characters"),
        (b'[{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}]", "nested too deeply"),
    ],
)
def test_a_body_that_is_no_json_text_is_refused_with_the_place(body: bytes, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        decode_either(body)


def test_a_batch_must_be_an_array_and_either_tells_them_apart() -> None:
    with pytest.raises(ValidationError, match="JSON array"):
        decode_batch(json.dumps(EVENT).encode())
    assert decode_batch(b" [ ] ") == []
    assert len(decode_either(b"\n [" + json.dumps(EVENT).encode() + b"]")) == 1
    assert len(decode_either(json.dumps(EVENT).encode())) == 1
    (rejection,) = decode_single(b"[]")
    assert isinstance(rejection, Rejection)


@pytest.mark.parametrize(
    ("content_type", "decoder"),
    [
        ("application/cloudevents+json", decode_single),
        ("Application/CloudEvents+JSON; charset=UTF-8", decode_single),
        ('application/cloudevents-batch+json;charset="utf-8"', decode_batch),
        ("application/json;profile=x; charset=utf8", decode_either),
    ],
)
def test_a_content_type_names_its_decoder(content_type: str, decoder: object) -> None:
    assert format_for({"content-type": content_type}).decode is decoder


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/json; charset=latin-1", "application/jsonx", ";"],
)
def test_other_content_types_are_refused_with_those_that_work(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaTypeError, match="application/cloudevents"):
        format_for({"content-type": content_type})
