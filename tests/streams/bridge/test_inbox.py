from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.envelope import ENVELOPE_SCHEMA
from core.errors import TooLargeError, ValidationError
from core.events import EVENT_BYTES_MAX, content_hash, event_key
from streams.bridge.convert import InboxConverter
from streams.bridge.inbox import TENANT_HEADER, InboxRecord, read_record

TENANT = "0199e5a0-0000-7000-8000-000000000001"
OTHER = "0199e5a0-0000-7000-8000-000000000002"
AT_MS = 1_760_000_000_123
STRUCTURED = b"application/cloudevents+json; charset=utf-8"
BATCH = b"application/cloudevents-batch+json"
BINARY = {
    "ce_specversion": b"1.0",
    "ce_id": b"1",
    "ce_source": b"s",
    "ce_type": b"call",
    "ce_subject": b"u",
}


def event(number: int = 1, **changes: Any) -> dict[str, Any]:
    made = {
        "specversion": "1.0",
        "id": str(number),
        "source": "s",
        "type": "call",
        "subject": "u",
        "data": {"n": number},
    }
    return made | changes


def record(
    value: object, headers: dict[str, bytes] | None = None, tenant: str | None = TENANT
) -> InboxRecord:
    """A record; a value that is no bytes is sent as JSON."""
    named = dict(headers or {})
    if tenant is not None:
        named[TENANT_HEADER] = tenant.encode()
    body = value if isinstance(value, bytes | None) else json.dumps(value).encode()
    return InboxRecord("usage.inbox", 3, 7, AT_MS, named, body)


@pytest.mark.parametrize("headers", [{}, {"content-type": STRUCTURED}], ids=["plain", "typed"])
def test_a_structured_event_is_received_when_the_broker_had_it(headers: dict[str, bytes]) -> None:
    columns = read_record(record(event(), headers), None).columns
    assert columns.tenant_id == [TENANT]
    assert columns.received_at == columns.time == [AT_MS * 1000]
    assert columns.key == [event_key(TENANT, "s", "1")]
    assert columns.content_hash == [content_hash("call", "u", None, b'{"n": 1}')]
    assert columns.data == [b'{"n": 1}']


@pytest.mark.parametrize("headers", [{}, {"content-type": BATCH}], ids=["plain", "typed"])
def test_a_batch_gives_its_good_events_and_names_the_others(headers: dict[str, bytes]) -> None:
    admitted = read_record(record([event(1), event(2, subject=""), event(3)], headers), None)
    assert admitted.columns.id == ["1", "3"]
    assert [(bad.index, bad.id, bad.code) for bad in admitted.rejections] == [
        (1, "2", "missing_attribute")
    ]


def test_binary_mode_takes_attributes_from_headers_and_the_value_as_data() -> None:
    sent = BINARY | {"ce_time": b"2025-10-01T00:00:00Z", "content-type": b"application/json"}
    columns = read_record(record(b' {"n": 1.50} ', sent), None).columns
    assert (columns.id, columns.source, columns.type, columns.subject) == (
        ["1"], ["s"], ["call"], ["u"],
    )  # fmt: skip
    assert columns.data == [b'{"n": 1.50}']
    assert columns.time == [1_759_276_800_000_000]
    assert columns.content_hash == [
        content_hash("call", "u", "2025-10-01T00:00:00Z", b'{"n": 1.50}')
    ]
    assert read_record(record(b"", BINARY), None).columns.data == [b"{}"]


def test_one_event_is_the_same_in_every_mode() -> None:
    text = b'{"n": 1}'
    found = [
        read_record(sent, None).columns
        for sent in (record(event()), record([event()]), record(text, BINARY))
    ]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("tenant", "owner", "expected"),
    [
        (TENANT, None, TENANT),
        (f"ten_{TENANT.replace('-', '')}", None, TENANT),
        (None, TENANT, TENANT),
        (TENANT, TENANT, TENANT),
        (None, None, "header tollbook-tenant: required"),
        ("acme", None, "header tollbook-tenant: expected a tenant's id"),
        (TENANT.upper(), None, "header tollbook-tenant: expected a tenant's id"),
        ("ten_12", None, "header tollbook-tenant: expected an id like ten_"),
        (OTHER, TENANT, f"this topic belongs to the tenant {TENANT}, not to {OTHER}"),
    ],
)
def test_the_tenant_comes_from_the_header_or_owns_the_topic(
    tenant: str | None, owner: str | None, expected: str
) -> None:
    sent = record(event(), tenant=tenant)
    if expected == TENANT:
        assert read_record(sent, owner).columns.tenant_id == [TENANT]
    else:
        with pytest.raises(ValidationError, match=expected.replace("(", r"\(")):
            read_record(sent, owner)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (record(None), "the record has no value"),
        (record(b"{"), "body: "),
        (record(b"\xff\xfe"), "not UTF-8"),
        (
            record(b"x", {"content-type": b"application/cloudevents+avro"}),
            "send CloudEvents as JSON",
        ),
        (record(b"x", BINARY | {"content-type": b"application/xml"}), "send `data` as JSON"),
        (record(b"{} {}", BINARY), "body: "),
        (record(b"{}", (BINARY | {"ce_id": b"\xff"})), "header ce_id: not UTF-8"),
    ],
    ids=["tombstone", "torn", "bytes", "avro", "xml", "two-values", "header-bytes"],
)
def test_a_record_that_cannot_be_read_says_why(sent: InboxRecord, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        read_record(sent, None)


def test_limits_and_hidden_nuls_are_those_of_http() -> None:
    with pytest.raises(TooLargeError):
        read_record(record(b'"' + b"x" * EVENT_BYTES_MAX + b'"', BINARY), None)
    long = read_record(record(event(data={"x": "x" * EVENT_BYTES_MAX})), None)
    assert [bad.code for bad in long.rejections] == ["event_too_large"]
    nul = read_record(record(b"{}", (BINARY | {"ce_subject": b"a\x00"})), None)
    assert [bad.code for bad in nul.rejections] == ["invalid_text"]
    nul = read_record(record(rb'{"a": "\u0000"}', BINARY), None)
    assert [bad.code for bad in nul.rejections] == ["invalid_text"]
    void = read_record(record(b"{}", (BINARY | {"ce_type": b"tollbook.void"})), None)
    assert [bad.code for bad in void.rejections] == ["invalid_void"]


def test_what_cannot_be_read_becomes_a_letter_and_holds_up_nothing() -> None:
    relayed = InboxConverter(None).convert(
        [record(event(1)), record(b"{"), record([event(2), event(3, id="")]), record(event(4))]
    )
    (batch,) = relayed.batches
    assert batch.schema.equals(ENVELOPE_SCHEMA)
    assert batch.column("id").to_pylist() == ["1", "2", "4"]
    assert [(letter["row"], letter["code"]) for letter in relayed.letters] == [
        (None, "validation_error"),
        (1, "missing_attribute"),
    ]
    first = relayed.letters[0]
    assert list(first)[:4] == ["topic", "partition", "offset", "row"]
    assert (first["topic"], first["partition"], first["offset"]) == ("usage.inbox", 3, 7)
    assert (first["value_bytes"], first["value_base64"]) == (1, "ew==")


def test_a_record_that_breaks_the_reader_becomes_a_letter_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("bug")

    monkeypatch.setattr("streams.bridge.convert.read_record", fail)
    relayed = InboxConverter(None).convert([record(event())])
    assert [letter["reason"] for letter in relayed.letters] == [
        "reading it failed: RuntimeError: bug"
    ]


@given(
    st.binary(max_size=60) | st.none(),
    st.dictionaries(
        st.sampled_from(["content-type", "ce_id", "ce_specversion", "ce_time", TENANT_HEADER]),
        st.sampled_from([b"", b"1.0", STRUCTURED, BATCH, TENANT.encode()]) | st.binary(max_size=9),
    ),
)
def test_no_record_breaks_the_bridge_and_each_gives_the_same_again(
    value: bytes | None, headers: dict[str, bytes]
) -> None:
    sent = InboxRecord("t", 0, 0, AT_MS, headers, value)
    first, again = (InboxConverter(TENANT).convert([sent]) for _ in range(2))
    assert first.letters == again.letters
    assert not [letter for letter in first.letters if letter["code"] == "unreadable"]
    assert (
        bool(first.letters)
        or bool(first.batches)
        or value == b"[]"
        or not (value or b"").strip(b"[] \n\r\t")
    )
