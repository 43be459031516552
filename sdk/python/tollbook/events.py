"""A usage event as it is recorded: id and time are fixed at that moment, for all retries."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from tollbook.encoding import encode_json
from tollbook.errors import InvalidEventError

ATTRIBUTE_BYTES_MAX = 256
"""Longest id, source, type and subject, in bytes of UTF-8."""

EVENT_BYTES_MAX = 256 * 1024
"""Longest event that the server takes, in bytes."""


@dataclass(frozen=True)
class Event:
    """A recorded event: a CloudEvent, and `wire`, the JSON that every try sends, in UTF-8."""

    id: str
    source: str
    type: str
    subject: str
    time: str
    wire: bytes


def build_event(
    event_type: str,
    subject: str,
    data: Mapping[str, Any] | None,
    *,
    event_id: str | None,
    time: datetime | str,
    source: str,
) -> Event:
    """Check and write an event. Raises `InvalidEventError` naming the field."""
    event_id = uuid.uuid4().hex if event_id is None else event_id
    attributes = {"id": event_id, "source": source, "type": event_type, "subject": subject}
    parts = ['"specversion":"1.0"']
    for name, value in attributes.items():
        size = len(value.encode(errors="replace")) if isinstance(value, str) else 0
        if not 1 <= size <= ATTRIBUTE_BYTES_MAX:
            raise InvalidEventError(
                f"{name}: expected text of 1 to {ATTRIBUTE_BYTES_MAX} bytes, got {value!r:.80}"
            )
        parts.append(f'"{name}":{encode_json(value, name)}')
    time_text = _time_text(time)
    parts.append(f'"time":{encode_json(time_text, "time")}')
    if data is not None:
        if not isinstance(data, Mapping):
            raise InvalidEventError(f"data: expected a dict, got {type(data).__name__}")
        parts.append(f'"data":{encode_json(data)}')
    wire = f"{{{','.join(parts)}}}".encode()
    if len(wire) > EVENT_BYTES_MAX:
        raise InvalidEventError(f"event: {len(wire)} bytes, the limit is {EVENT_BYTES_MAX}")
    return Event(event_id, source, event_type, subject, time_text, wire)


def _time_text(time: datetime | str) -> str:
    """RFC 3339 of an aware datetime; text is passed on for the server to judge."""
    if isinstance(time, str):
        return time
    if time.tzinfo is None:
        raise InvalidEventError("time: expected an aware datetime: pass tzinfo=timezone.utc")
    return time.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
