"""Stripe's meter events, v1 (a form) and v2 (JSON): the customer of the payload is the subject."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from core.cloudevents.instants import epoch_micros_of, instant_text
from core.cloudevents.json_format import json_text
from core.cloudevents.wire import NO_DATA, Rejection, WireEvent
from core.errors import ValidationError
from ingest.compat.reading import plain_text, read_event, translate_all, unix_instant

SOURCE: Final = "/compat/stripe"
EVENTS_MAX: Final = 100
"""Most events in a request of the stream, as the peer has it."""

CUSTOMER: Final = "stripe_customer_id"
"""The key of the payload that names who used it: the peer's default mapping."""

NAMES: Final = {
    "id": "identifier",
    "type": "event_name",
    "subject": f"payload[{CUSTOMER}]",
    "time": "timestamp",
    "data": "payload",
}
_FIELDS_MAX: Final = 1000
_SECOND_MICROS: Final = 1_000_000
MakeId = Callable[[int], str]
"""What identifies an event that came without an identifier, by its place in the request."""


class _Event(msgspec.Struct):
    event_name: str | None = None
    identifier: str | None = None
    payload: msgspec.Raw = NO_DATA
    timestamp: msgspec.Raw = NO_DATA


_event: Final = msgspec.json.Decoder(_Event)
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def event_of_form(body: bytes, make_id: MakeId) -> WireEvent | Rejection:
    """The event of a v1 form; every value of its payload is a text. Raises `ValidationError`."""
    fields: dict[str, str] = {}
    payload: dict[str, str] = {}
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS_MAX
        )
    except ValueError as error:
        raise ValidationError(f"body: expected a form in UTF-8: {error}") from error
    for name, value in pairs:
        if name.startswith("payload[") and name.endswith("]"):
            payload[name.removeprefix("payload[").removesuffix("]")] = value
        else:
            fields[name] = value
    text = msgspec.json.encode(
        {
            "event_name": fields.get("event_name"),
            "identifier": fields.get("identifier"),
            "timestamp": fields.get("timestamp"),
            "payload": payload,
        }
    )
    return _translate(0, msgspec.Raw(text), make_id)


def event_of_json(body: bytes, make_id: MakeId) -> WireEvent | Rejection:
    """The event of a v2 body. Raises `ValidationError`."""
    return _translate(0, json_text(body), make_id)


def events_of_stream(body: bytes, make_id: MakeId) -> list[WireEvent | Rejection]:
    """The events of `{"events": […]}`. Raises `ValidationError`, `EventsRefusedError`."""
    return translate_all(body, lambda index, text: _translate(index, text, make_id), EVENTS_MAX)


def _translate(index: int, text: msgspec.Raw, make_id: MakeId) -> WireEvent | Rejection:
    event = read_event(index, text, _event)
    if isinstance(event, Rejection):
        return event
    event_id = event.identifier or make_id(index)
    try:
        customer = _members.decode(event.payload or b"{}").get(CUSTOMER, NO_DATA)
        subject = plain_text(customer)
    except (msgspec.ValidationError, ValueError) as error:
        return Rejection(index, event_id, "invalid_event", f"payload: {error}")
    try:
        time = _instant(plain_text(event.timestamp))
    except ValueError as error:
        return Rejection(index, event_id, "invalid_time", f"timestamp: {error}")
    return WireEvent(
        specversion="1.0",
        id=event_id,
        source=SOURCE,
        type=event.event_name,
        subject=subject,
        time=time,
        data=event.payload,
    )


def _instant(text: str | None) -> str | None:
    """A v2 time is RFC 3339, a v1 time seconds since 1970; both are taken everywhere."""
    if text is None:
        return None
    return text if "T" in text.upper() else unix_instant(text)


def accepted_v1(event: WireEvent, received_micros: int) -> dict[str, Any]:
    """The peer's v1 resource of an event that is now in the log."""
    return {
        "object": "billing.meter_event",
        "created": received_micros // _SECOND_MICROS,
        "event_name": event.type,
        "identifier": event.id,
        "livemode": True,
        "payload": event.data,
        "timestamp": _micros(event, received_micros) // _SECOND_MICROS,
    }


def accepted_v2(event: WireEvent, received_micros: int) -> dict[str, Any]:
    """The peer's v2 resource of an event that is now in the log."""
    return {
        "object": "v2.billing.meter_event",
        "created": instant_text(received_micros),
        "event_name": event.type,
        "identifier": event.id,
        "livemode": True,
        "payload": event.data,
        "timestamp": instant_text(_micros(event, received_micros)),
    }


def session(session_id: str, token: str, created: int, expires: int) -> dict[str, Any]:
    """The peer's resource of a stream's session; instants in seconds since 1970."""
    return {
        "object": "v2.billing.meter_event_session",
        "id": session_id,
        "authentication_token": token,
        "created": instant_text(created * _SECOND_MICROS),
        "expires_at": instant_text(expires * _SECOND_MICROS),
        "livemode": True,
    }


def _micros(event: WireEvent, received_micros: int) -> int:
    return received_micros if event.time is None else epoch_micros_of(event.time)
