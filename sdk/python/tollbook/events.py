"""A usage event as it is recorded: id and time are fixed at that moment, for all retries."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple

from tollbook.clock import TimeStamps
from tollbook.encoding import encode_object, encode_text
from tollbook.errors import InvalidEventError

ATTRIBUTE_BYTES_MAX = 256
"""Longest id, source, type and subject, in bytes of UTF-8."""

EVENT_BYTES_MAX = 256 * 1024
"""Longest event that the server takes, in bytes."""

WIRE_START = b'{"specversion":"1.0"'
"""How the JSON of every event begins."""

_HEADS_MAX = 1024


class Event(NamedTuple):
    """A recorded event: a CloudEvent, and `wire`, the JSON that every try sends, in UTF-8."""

    id: str
    source: str
    type: str
    subject: str
    time: str
    wire: bytes

    @classmethod
    def of_wire(cls, wire: bytes) -> Event:
        """The event that `wire` was written from."""
        read = json.loads(wire)
        return cls(read["id"], read["source"], read["type"], read["subject"], read["time"], wire)


_FIRST_NUMBER = 10**11


class EventWriter:
    """Checks and writes events; `source` is that of events which name none.

    The ids that it gives have 32 digits: 80 random bits in hexadecimal, the writer's own, and a
    number. That is cheaper than randomness for each event, and as unlike the ids of every other
    writer. After a fork the child needs a writer of its own.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._ids = os.urandom(10).hex()
        self._number = itertools.count(_FIRST_NUMBER)
        self._times = TimeStamps()
        self._heads: dict[tuple[str, str], str] = {}

    def write(
        self,
        event_type: str,
        subject: str,
        data: Mapping[str, Any] | None,
        event_id: str | None,
        time: datetime | str | None,
        source: str | None,
    ) -> Event:
        """The event, its values captured. Raises `InvalidEventError` naming the field."""
        if source is None:
            source = self._source
        try:
            head = self._heads.get((source, event_type)) or self._head(source, event_type)
        except TypeError:  # no text at all: it cannot be a key, and `_head` says which it is
            head = self._head(source, event_type)
        named = _attribute("subject", subject)
        if event_id is None:
            event_id = f"{self._ids}{next(self._number)}"
            identified = f'"{event_id}"'
        else:
            identified = _attribute("id", event_id)
        if time is None:
            time_text = self._times.now()
            timed = f'"{time_text}"'
        else:
            time_text = _time_text(time)
            timed = encode_text(time_text, "time")
        if data is None:
            carried = ""
        elif type(data) is dict or isinstance(data, Mapping):
            carried = f',"data":{encode_object(data)}'
        else:
            raise InvalidEventError(f"data: expected a dict, got {type(data).__name__}")
        wire = f'{head}{named},"id":{identified},"time":{timed}{carried}}}'.encode()
        if len(wire) > EVENT_BYTES_MAX:
            raise InvalidEventError(f"event: {len(wire)} bytes, the limit is {EVENT_BYTES_MAX}")
        values = (event_id, source, event_type, subject, time_text, wire)
        return tuple.__new__(Event, values)  # as Event(...) does, in half the time

    def _head(self, source: str, event_type: str) -> str:
        """What events of one source and type begin with, up to the subject."""
        head = (
            f'{WIRE_START.decode()},"source":{_attribute("source", source)}'
            f',"type":{_attribute("type", event_type)},"subject":'
        )
        if len(self._heads) >= _HEADS_MAX:
            self._heads.clear()
        self._heads[source, event_type] = head
        return head


def _attribute(name: str, value: object) -> str:
    """A text attribute in quotes, its length checked."""
    size = 0
    if isinstance(value, str):
        size = len(value) if value.isascii() else len(value.encode(errors="replace"))
        if 1 <= size <= ATTRIBUTE_BYTES_MAX:
            return encode_text(value, name)
    raise InvalidEventError(
        f"{name}: expected text of 1 to {ATTRIBUTE_BYTES_MAX} bytes, got {value!r:.80}"
    )


def _time_text(time: datetime | str) -> str:
    """RFC 3339 of an aware datetime; text is passed on for the server to judge."""
    if isinstance(time, str):
        return time
    if time.tzinfo is None:
        raise InvalidEventError("time: expected an aware datetime: pass tzinfo=timezone.utc")
    return time.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
