"""Bodies of the peers to events: nothing of what was sent changes on the way."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.cloudevents.instants import epoch_micros_of, instant_text
from core.cloudevents.wire import Rejection, WireEvent
from core.errors import ValidationError
from core.events import EVENT_BYTES_MAX, TIME_MAX_MICROS
from core.ids import TenantId
from ingest.compat import flexprice, lago, openmeter, stripe
from ingest.compat.reading import EventsRefusedError, plain_text, unix_instant
from ingest.errors import UnsupportedMediaTypeError

TENANT = TenantId(UUID(int=3))
EXACT = '{"n": 0.10000000000000000001, "m":12345678901234567890.5, "t":"a\\u00e9"}'
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _made(index: int) -> str:
    return f"made-{index}"


def _event(found: WireEvent | Rejection) -> WireEvent:
    assert isinstance(found, WireEvent), found
    return found


def _rejection(found: WireEvent | Rejection) -> Rejection:
    assert isinstance(found, Rejection), found
    return found


@given(st.integers(0, TIME_MAX_MICROS - 1))
def test_an_instant_is_written_and_read_back(micros: int) -> None:
    text = instant_text(micros)
    assert epoch_micros_of(text) == micros
    assert datetime.fromisoformat(text) == EPOCH + timedelta(microseconds=micros)


@given(
    st.decimals(0, 4_102_444_799, places=9, allow_nan=False),
    st.sampled_from(["f", "e"]),
    st.booleans(),
)
def test_seconds_are_exact_to_the_microsecond(seconds: Decimal, form: str, quoted: bool) -> None:
    text = f"{seconds:.9{form}}" if form == "f" else f"{seconds:.20e}"
    raw = msgspec.Raw((f'"{text}"' if quoted else text).encode())
    read = plain_text(raw)
    assert read == text
    assert epoch_micros_of(unix_instant(read)) == Fraction(seconds) * 10**6 // 1


@pytest.mark.parametrize("text", ["", "now", "1_0", " 1", "Infinity", "0x1", "-1", "4102444800"])
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"seconds since 1970|1970 to 2099"):
        unix_instant(text)


def test_lago_keeps_the_text_of_properties_and_the_ids() -> None:
    body = (
        '{"event": {"transaction_id": "t1", "external_subscription_id": "s", "code": "c",'
        f' "timestamp": 1767225600.123456789, "properties": {EXACT}}}}}'
    )
    event = _event(lago.event_of(body.encode()))
    assert (event.id, event.source, event.type, event.subject) == ("t1", "/compat/lago", "c", "s")
    assert event.time == "2026-01-01T00:00:00.123456Z"
    assert bytes(event.data).decode() == EXACT
    resource = lago.accepted_event(TENANT, event, 5)
    assert resource["timestamp"] == "2026-01-01T00:00:00.123Z"
    assert resource["created_at"] == "1970-01-01T00:00:00.000Z"
    assert bytes(resource["properties"]).decode() == EXACT
    assert resource["precise_total_amount_cents"] is None


@given(
    st.dictionaries(st.text(max_size=5), st.one_of(st.text(max_size=5), st.integers())),
    st.one_of(st.none(), st.just("12.50")),
)
def test_lagos_amount_stands_beside_the_properties(
    properties: dict[str, Any], amount: str | None
) -> None:
    sent = {"transaction_id": 7, "code": "c", "properties": properties, lago.AMOUNT: amount}
    event = _event(lago.event_of(json.dumps({"event": sent}).encode()))
    assert event.id == "7"
    data = json.loads(bytes(event.data))
    assert data == properties | ({lago.AMOUNT: amount} if amount else {})
    resource = json.loads(msgspec.json.encode(lago.accepted_event(TENANT, event, 0)))
    assert (resource["properties"], resource[lago.AMOUNT]) == (properties, amount)


@pytest.mark.parametrize("body", [b"{}", b'{"event": null}', b'{"event": {}}', b"[]", b"nothing"])
def test_lago_wants_an_event(body: bytes) -> None:
    with pytest.raises(ValidationError):
        lago.event_of(body)


@pytest.mark.parametrize(
    ("sent", "code", "message"),
    [
        ({"timestamp": "yesterday"}, "invalid_time", "timestamp: expected seconds"),
        ({"timestamp": {}}, "invalid_time", "timestamp: expected a text or a number"),
        ({"code": 5}, "invalid_event", "code: Expected `str | null`, got `int`"),
        ({lago.AMOUNT: "1", "properties": 5}, "invalid_event", "properties: "),
        ({lago.AMOUNT: "1", "properties": {lago.AMOUNT: 2}}, "invalid_event", "leave"),
        ({"properties": {"x": "y" * EVENT_BYTES_MAX}}, "event_too_large", "the limit is 262144"),
    ],
)
def test_lagos_faults_are_named(sent: dict[str, Any], code: str, message: str) -> None:
    found = _rejection(
        lago.event_of(json.dumps({"event": {"transaction_id": "1"} | sent}).encode())
    )
    assert found.code == code
    assert message in found.message


@pytest.mark.parametrize(
    ("many", "code"), [(0, "no_events"), (1, None), (100, None), (101, "too_many_events")]
)
def test_a_lago_batch_has_1_to_100_events(many: int, code: str | None) -> None:
    _check_size(lago.events_of, many, code)


@pytest.mark.parametrize(
    ("many", "code"), [(0, "no_events"), (1, None), (100, None), (101, "too_many_events")]
)
def test_a_stripe_stream_has_1_to_100_events(many: int, code: str | None) -> None:
    _check_size(lambda body: stripe.events_of_stream(body, _made), many, code)


@pytest.mark.parametrize(
    ("many", "code"), [(0, "no_events"), (1, None), (1000, None), (1001, "too_many_events")]
)
def test_a_flexprice_bulk_has_1_to_1000_events(many: int, code: str | None) -> None:
    _check_size(lambda body: flexprice.events_of(body, lambda: "made"), many, code)


def _check_size(read: Any, many: int, code: str | None) -> None:
    body = json.dumps({"events": [{}] * many}).encode()
    if code is None:
        assert len(read(body)) == many
        return
    with pytest.raises(EventsRefusedError) as caught:
        read(body)
    assert [fault.code for fault in caught.value.faults] == [code]


def test_stripes_form_and_json_say_the_same() -> None:
    form = (
        b"event_name=tokens&payload[stripe_customer_id]=cus_1&payload%5Bvalue%5D=25"
        b"&identifier=idem1&timestamp=1767225600&expand[]=x"
    )
    body = (
        b'{"event_name":"tokens","payload":{"stripe_customer_id":"cus_1","value":"25"},'
        b'"identifier":"idem1","timestamp":"2026-01-01T00:00:00Z"}'
    )
    one, two = stripe.event_of_form(form, _made), stripe.event_of_json(body, _made)
    assert _event(one) == _event(two)
    assert stripe.accepted_v1(_event(one), 0)["timestamp"] == 1767225600


def test_a_stripe_event_without_an_identifier_gets_one() -> None:
    event = _event(stripe.event_of_json(b'{"event_name":"t","payload":{}}', _made))
    assert (event.id, event.subject) == ("made-0", None)


@pytest.mark.parametrize("body", [b"\xff", b"a=%ff", b"&".join([b"a=1"] * 1001)])
def test_what_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(ValidationError, match="expected a form"):
        stripe.event_of_form(body, _made)


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"payload": [1]}, "payload: "),
        ({"payload": {"stripe_customer_id": {}}}, "payload: expected a text or a number"),
        ({"payload": {}, "timestamp": "soon"}, "timestamp: expected seconds since 1970"),
    ],
)
def test_stripes_faults_are_named(sent: dict[str, Any], message: str) -> None:
    found = _rejection(stripe.event_of_json(json.dumps(sent).encode(), _made))
    assert message in found.message


def test_flexprice_keeps_source_properties_and_time() -> None:
    body = (
        '{"event_name":"n","external_customer_id":"c","event_id":"e","source":"app",'
        f'"timestamp":"2026-01-01T01:00:00+01:00","properties":{EXACT}}}'
    )
    event = _event(flexprice.event_of(body.encode(), lambda: "made"))
    assert (event.id, event.source, event.type, event.subject) == ("e", "app", "n", "c")
    assert event.time == "2026-01-01T01:00:00+01:00"
    assert bytes(event.data).decode() == EXACT
    bare = _event(flexprice.event_of(b'{"event_name":"n","timestamp":""}', lambda: "made"))
    assert (bare.id, bare.source, bare.time) == ("made", "/compat/flexprice", None)


def test_openmeters_events_are_ours() -> None:
    body = (
        b'{"specversion":"1.0","id":"1","source":"/a","type":"t","subject":"s","data":{"n":1.10}}'
    )
    [event] = openmeter.events_of("application/cloudevents+json", body)
    assert bytes(_event(event).data) == b'{"n":1.10}'
    assert list(openmeter.events_of("application/cloudevents-batch+json", b"[]")) == []
    with pytest.raises(EventsRefusedError, match="no events found"):
        openmeter.events_of("application/json", b"[]")
    with pytest.raises(UnsupportedMediaTypeError, match="invalid content type: text/plain"):
        openmeter.events_of("text/plain", body)
