"""Lago: events by `transaction_id`; the subscription is the subject, the code the type."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import msgspec

from core.cloudevents.instants import epoch_micros_of, instant_text
from core.cloudevents.wire import NO_DATA, Rejection, WireEvent
from core.errors import ValidationError
from core.events import event_key
from core.ids import TenantId
from ingest.compat.reading import (
    EventsRefusedError,
    Fault,
    plain_text,
    read_event,
    read_object,
    translate_all,
    unix_instant,
)

SOURCE: Final = "/compat/lago"
EVENTS_MAX: Final = 100
"""Most events in a batch, as the peer has it."""

NAMES: Final = {
    "id": "transaction_id",
    "type": "code",
    "subject": "external_subscription_id",
    "time": "timestamp",
    "data": "properties",
}
CODES: Final = {
    "missing_attribute": "value_is_mandatory",
    "attribute_too_long": "value_is_too_long",
    "invalid_time": "invalid_format",
    "time_too_early": "invalid_format",
    "time_too_far_ahead": "invalid_format",
    "no_events": "no_events",
    "too_many_events": "too_many_events",
}
"""Our codes in the peer's words; any other one is `value_is_invalid`."""

AMOUNT: Final = "precise_total_amount_cents"
_MILLISECOND_MICROS: Final = 1000


class _Event(msgspec.Struct):
    transaction_id: str | int | None = None
    external_subscription_id: str | None = None
    code: str | None = None
    timestamp: msgspec.Raw = NO_DATA
    precise_total_amount_cents: msgspec.Raw = NO_DATA
    properties: msgspec.Raw = NO_DATA


class _Single(msgspec.Struct):
    event: msgspec.Raw = NO_DATA


_event: Final = msgspec.json.Decoder(_Event)
_single: Final = msgspec.json.Decoder(_Single)
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def event_of(body: bytes) -> WireEvent | Rejection:
    """The event of `{"event": …}`. Raises `ValidationError` where there is none."""
    event = read_object(body, _single).event
    if bytes(event) in {b"", b"null", b"{}"}:
        raise ValidationError("param is missing or the value is empty or invalid: event")
    return _translate(0, event)


def events_of(body: bytes) -> list[WireEvent | Rejection]:
    """The events of `{"events": […]}`. Raises `ValidationError`, `EventsRefusedError`."""
    return translate_all(body, _translate, EVENTS_MAX)


def _translate(index: int, text: msgspec.Raw) -> WireEvent | Rejection:
    event = read_event(index, text, _event)
    if isinstance(event, Rejection):
        return event
    event_id = None if event.transaction_id is None else str(event.transaction_id)
    try:
        timestamp = plain_text(event.timestamp)
        time = None if timestamp is None else unix_instant(timestamp)
    except ValueError as error:
        return Rejection(index, event_id, "invalid_time", f"timestamp: {error}")
    try:
        amount = plain_text(event.precise_total_amount_cents)
        data = _with_amount(event.properties, amount)
    except ValueError as error:
        return Rejection(index, event_id, "invalid_event", str(error))
    return WireEvent(
        specversion="1.0",
        id=event_id,
        source=SOURCE,
        type=event.code,
        subject=event.external_subscription_id,
        time=time,
        data=data,
    )


def _with_amount(properties: msgspec.Raw, amount: str | None) -> msgspec.Raw:
    """Properties as the exact text, the amount before them where there is one."""
    if amount is None:
        return properties
    try:
        members = {} if bytes(properties) in {b"", b"null"} else _members.decode(properties)
    except msgspec.ValidationError as error:
        raise ValueError(f"properties: {error}") from error
    if AMOUNT in members:
        raise ValueError(f"properties: leave {AMOUNT} out, it stands beside them")
    return msgspec.Raw(msgspec.json.encode({AMOUNT: amount, **members}))


def _without_amount(data: bytes) -> tuple[msgspec.Raw, str | None]:
    """The opposite of `_with_amount`."""
    if AMOUNT.encode() not in data:
        return msgspec.Raw(data), None
    members = _members.decode(data)
    amount = members.pop(AMOUNT, None)
    if amount is None:
        return msgspec.Raw(data), None
    return msgspec.Raw(msgspec.json.encode(members)), plain_text(amount)


def accepted_event(tenant_id: TenantId, event: WireEvent, received_micros: int) -> dict[str, Any]:
    """The peer's resource of an event that is now in the log."""
    assert event.id is not None
    return event_resource(
        tenant_id,
        event_id=event.id,
        code=event.type or "",
        subject=event.subject or "",
        time_micros=received_micros if event.time is None else epoch_micros_of(event.time),
        data=bytes(event.data) if bytes(event.data) not in {b"", b"null"} else b"{}",
        received_micros=received_micros,
    )


def event_resource(
    tenant_id: TenantId,
    *,
    event_id: str,
    code: str,
    subject: str,
    time_micros: int,
    data: bytes,
    received_micros: int,
) -> dict[str, Any]:
    """The peer's resource of an event. `lago_id` is made of the key: always the same."""
    properties, amount = _without_amount(data)
    key = event_key(str(tenant_id), SOURCE, event_id)
    return {
        "lago_id": str(UUID(bytes=key, version=5)),
        "transaction_id": event_id,
        "lago_customer_id": None,
        "lago_subscription_id": None,
        "external_subscription_id": subject,
        "code": code,
        "timestamp": _in_milliseconds(time_micros),
        AMOUNT: amount,
        "properties": properties,
        "created_at": _in_milliseconds(received_micros),
    }


def error_details(error: EventsRefusedError) -> dict[str, Any]:
    """`error_details` of the peer: codes by field, in a batch by index and field."""
    details: dict[str, Any] = {}
    for fault in error.faults:
        place = details if fault.index is None else details.setdefault(str(fault.index), {})
        place.setdefault(fault.field, []).append(_code_of(fault))
    return details


def _code_of(fault: Fault) -> str:
    return CODES.get(fault.code, "value_is_invalid")


def _in_milliseconds(micros: int) -> str:
    """An instant with three digits of a second, as the peer shows it."""
    milliseconds = micros // _MILLISECOND_MICROS
    seconds, rest = divmod(milliseconds, 1000)
    return f"{instant_text(seconds * 10**6).removesuffix('Z')}.{rest:03}Z"
