from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.cloudevents.wire import Rejection, WireEvent
from core.errors import ValidationError
from ingest.errors import UnsupportedMediaTypeError
from ingest.formats.registry import format_for

HEADERS = {
    "content-type": "application/json", "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/a",
    "ce-type": "t", "ce-subject": "s", "ce-time": "2026-11-21T10:00:00Z", "ce-other": "x",
}  # fmt: skip


def decode(headers: dict[str, str], body: bytes) -> WireEvent | Rejection:
    (event,) = format_for(headers).decode(body)
    return event


def event_of(headers: dict[str, str], body: bytes = b"") -> WireEvent:
    event = decode(headers, body)
    assert isinstance(event, WireEvent)
    return event


def test_attributes_are_headers_and_the_body_is_the_data() -> None:
    event = event_of(HEADERS, b'{ "tokens" : 1.10 }')
    names = ("specversion", "id", "source", "type", "subject", "time")
    assert {n: getattr(event, n) for n in names} == {n: HEADERS[f"ce-{n}"] for n in names}
    assert bytes(event.data) == b'{ "tokens" : 1.10 }'
    without = {name: text for name, text in HEADERS.items() if name != "content-type"}
    assert bytes(event_of(without).data) == b""


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_texts_are_percent_encoded_utf8(text: str) -> None:
    assert event_of(HEADERS | {"ce-subject": quote(text, safe="")}).subject == text


@pytest.mark.parametrize("value", ["caf\xe9", "%", "%zz", "%ff", "a\tb"])
def test_what_is_not_percent_encoded_is_refused_with_its_header(value: str) -> None:
    refused = decode(HEADERS | {"ce-subject": value}, b"")
    assert isinstance(refused, Rejection)
    assert (refused.id, refused.code) == ("1", "invalid_event")
    assert refused.message.startswith("ce-subject: ")


def test_a_structured_type_is_read_as_it_says() -> None:
    body = json.dumps({"specversion": "1.0", "id": "2"}).encode()
    structured = HEADERS | {"content-type": "application/cloudevents+json; charset=UTF-8"}
    assert event_of(structured, body).id == "2"


@pytest.mark.parametrize("content_type", ["text/csv", "application/octet-stream"])
def test_data_of_another_type_is_refused(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaTypeError):
        format_for(HEADERS | {"content-type": content_type})


@pytest.mark.parametrize("body", [b"{", b'{} , "id":"2"', b"\xff"])
def test_a_body_that_is_not_one_json_value_is_refused(body: bytes) -> None:
    with pytest.raises(ValidationError, match="body: "):
        decode(HEADERS, body)


def test_an_event_over_the_limit_is_refused() -> None:
    refused = decode(HEADERS, json.dumps({"text": "x" * 2**18}).encode())
    assert isinstance(refused, Rejection)
    assert refused.code == "event_too_large"
