"""Flexprice: events by `event_id`; the external customer is the subject."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from core.cloudevents.json_format import json_text
from core.cloudevents.wire import NO_DATA, Rejection, WireEvent
from ingest.compat.reading import read_event, translate_all

SOURCE: Final = "/compat/flexprice"
EVENTS_MAX: Final = 1000
"""Most events in a bulk request, as the peer has it."""

NAMES: Final = {
    "id": "event_id",
    "type": "event_name",
    "subject": "external_customer_id",
    "time": "timestamp",
    "data": "properties",
}
MakeId = Callable[[], str]
"""Makes an id for an event that came without one."""


class _Event(msgspec.Struct):
    event_name: str | None = None
    external_customer_id: str | None = None
    event_id: str | None = None
    timestamp: str | None = None
    source: str | None = None
    properties: msgspec.Raw = NO_DATA


_event: Final = msgspec.json.Decoder(_Event)


def event_of(body: bytes, make_id: MakeId) -> WireEvent | Rejection:
    """The event of a body. Raises `ValidationError`."""
    return _translate(0, json_text(body), make_id)


def events_of(body: bytes, make_id: MakeId) -> list[WireEvent | Rejection]:
    """The events of `{"events": […]}`. Raises `ValidationError`, `EventsRefusedError`."""
    return translate_all(body, lambda index, text: _translate(index, text, make_id), EVENTS_MAX)


def _translate(index: int, text: msgspec.Raw, make_id: MakeId) -> WireEvent | Rejection:
    event = read_event(index, text, _event)
    if isinstance(event, Rejection):
        return event
    return WireEvent(
        specversion="1.0",
        id=event.event_id or make_id(),
        source=event.source or SOURCE,
        type=event.event_name,
        subject=event.external_customer_id,
        time=event.timestamp or None,
        data=event.properties,
    )
