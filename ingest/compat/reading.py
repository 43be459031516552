"""What the peers' bodies have in common: JSON objects, a list of events, instants."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Final, TypeVar

import msgspec

from core.cloudevents.instants import instant_text
from core.cloudevents.json_format import json_text
from core.cloudevents.wire import Rejection, WireEvent
from core.errors import ValidationError
from core.events import EVENT_BYTES_MAX, TIME_MAX_MICROS

Translate = Callable[[int, msgspec.Raw], WireEvent | Rejection]
T = TypeVar("T")

_WHERE: Final = re.compile(r"(.*) - at `(?:key in )?\$\.?([^`]*)`")
_NUMBER: Final = re.compile(r"-?\d{1,14}(?:\.\d{1,30})?(?:[eE][+-]?\d{1,2})?", re.ASCII)
_text: Final = msgspec.json.Decoder(str)


class _List(msgspec.Struct):
    events: list[msgspec.Raw] | None = None


_list: Final = msgspec.json.Decoder(_List)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a request, in the peer's words; `index` is None where it is not a list's."""

    index: int | None
    field: str
    code: str
    message: str


class EventsRefusedError(ValidationError):
    """A request of which nothing was taken; `faults` says why, one at least."""

    code = "events_refused"

    def __init__(self, faults: Sequence[Fault]) -> None:
        first = faults[0]
        place = "" if first.index is None else f"events[{first.index}]."
        super().__init__(f"{place}{first.field}: {first.message}", field=first.field)
        self.faults = tuple(faults)


def read_object(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """The JSON object that a body is. Raises `ValidationError` naming the field."""
    try:
        return decoder.decode(json_text(body))
    except msgspec.ValidationError as error:
        field, reason = _place(str(error), "body")
        raise ValidationError(f"{field}: {reason}", field=field) from error


def read_event(index: int, text: msgspec.Raw, decoder: msgspec.json.Decoder[T]) -> T | Rejection:
    """One event of a body, which is known to be JSON, or the verdict on it."""
    if len(text) > EVENT_BYTES_MAX:
        reason = f"event: {len(text)} bytes, the limit is {EVENT_BYTES_MAX}"
        return Rejection(index, None, "event_too_large", reason)
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        field, reason = _place(str(error), "event")
        return Rejection(index, None, "invalid_event", f"{field}: {reason}")


def translate_all(
    body: bytes, translate: Translate, events_max: int
) -> list[WireEvent | Rejection]:
    """The events of `{"events": […]}`.

    Raises `ValidationError`, and `EventsRefusedError` when the list is empty, or too long.
    """
    texts = read_object(body, _list).events
    if not texts:
        raise EventsRefusedError([Fault(None, "events", "no_events", "give one event at least")])
    if len(texts) > events_max:
        message = f"{len(texts)} events, the limit is {events_max} a request"
        raise EventsRefusedError([Fault(None, "events", "too_many_events", message)])
    return [translate(index, text) for index, text in enumerate(texts)]


def refuse(
    rejections: Sequence[Rejection], names: Mapping[str, str], *, single: bool
) -> EventsRefusedError:
    """The error for verdicts on events; `names` says what the peer calls an event's attributes."""
    faults = []
    for each in rejections:
        field, _, reason = each.message.partition(": ")
        faults.append(
            Fault(None if single else each.index, names.get(field, field), each.code, reason)
        )
    return EventsRefusedError(faults)


def plain_text(value: msgspec.Raw) -> str | None:
    """Content of a JSON text, or a number as it was written; None for null and for nothing.

    Raises `ValueError` for anything else.
    """
    raw = bytes(value)
    if raw in {b"", b"null"}:
        return None
    if raw.startswith(b'"'):
        return _text.decode(raw)
    text = raw.decode()
    if not _NUMBER.fullmatch(text):
        raise ValueError("expected a text or a number")
    return text


def unix_instant(text: str) -> str:
    """Seconds since 1970, with a fraction or without, as RFC 3339, exact to the microsecond.

    Digits beyond it are cut off, as in a time of ours. Raises `ValueError`.
    """
    if not _NUMBER.fullmatch(text):
        raise ValueError("expected seconds since 1970, such as 1767225600")
    micros = floor(Fraction(text) * 1_000_000)
    if not 0 <= micros < TIME_MAX_MICROS:
        raise ValueError("lies outside the years 1970 to 2099")
    return instant_text(micros)


def _place(message: str, otherwise: str) -> tuple[str, str]:
    """Field and reason out of the decoder's message."""
    found = _WHERE.fullmatch(message)
    return (found[2] or otherwise, found[1]) if found else (otherwise, message)
