"""OpenMeter: CloudEvents, as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from core.cloudevents import json_format
from core.cloudevents.instants import instant_text
from core.cloudevents.wire import Rejection, WireEvent
from ingest.compat.reading import EventsRefusedError, Fault
from ingest.errors import UnsupportedMediaTypeError

FORMATS: Final[Mapping[str, Callable[[bytes], Sequence[WireEvent | Rejection]]]] = {
    "application/cloudevents+json": json_format.decode_single,
    "application/cloudevents-batch+json": json_format.decode_batch,
    "application/json": json_format.decode_either,
}


def events_of(content_type: str, body: bytes) -> Sequence[WireEvent | Rejection]:
    """The events of a body. Raises `UnsupportedMediaTypeError`, `ValidationError`."""
    media_type = content_type.partition(";")[0].strip().lower()
    decode = FORMATS.get(media_type)
    if decode is None:
        raise UnsupportedMediaTypeError(
            f"invalid content type: {content_type[:100]}; send one of {', '.join(FORMATS)}"
        )
    events = decode(body)
    if not events and media_type == "application/json":
        raise EventsRefusedError([Fault(None, "body", "no_events", "no events found")])
    return events


def ingested_event(
    *,
    event_id: str,
    source: str,
    event_type: str,
    subject: str,
    time_micros: int,
    data: bytes,
    received_micros: int,
    stored_micros: int,
) -> dict[str, Any]:
    """An event as the list shows it; `data` is the exact text that was sent."""
    return {
        "event": {
            "id": event_id,
            "source": source,
            "specversion": "1.0",
            "type": event_type,
            "subject": subject,
            "time": instant_text(time_micros),
            "data": msgspec.Raw(data),
        },
        "ingestedAt": instant_text(received_micros),
        "storedAt": instant_text(stored_micros),
    }
