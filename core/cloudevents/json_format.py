"""CloudEvents 1.0 in JSON: one structured event, or an array of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

from core.cloudevents.wire import Rejection, WireEvent
from core.errors import TooLargeError, ValidationError
from core.events import EVENT_BYTES_MAX

EVENTS_PER_REQUEST_MAX: Final = 10_000
"""Most events in one batch: an HTTP request, or a record of the inbox."""

_T = TypeVar("_T")


class _JustId(msgspec.Struct):
    id: str | None = None


_event: Final = msgspec.json.Decoder(WireEvent)
_events: Final = msgspec.json.Decoder(list[WireEvent])
_texts: Final = msgspec.json.Decoder(list[msgspec.Raw])
_text: Final = msgspec.json.Decoder(msgspec.Raw)
_just_id: Final = msgspec.json.Decoder(_JustId)


def decode_single(body: bytes) -> Sequence[WireEvent | Rejection]:
    """Read one event. Raises `ValidationError` when the body is not JSON."""
    return [decode_at(0, body)]


def decode_at(index: int, text: bytes) -> WireEvent | Rejection:
    """Read the event at `index` of a request. Raises `ValidationError` when it is not JSON."""
    _require_utf8(text)
    return _decode_one(index, _read(_text, text))


def decode_batch(body: bytes) -> Sequence[WireEvent | Rejection]:
    """Read an array of events. Raises `ValidationError` when the body is not a JSON array.

    All at once when every event is well-formed and cannot be over the size limit, else one by one,
    so that each bad event is named.
    """
    _require_utf8(body)
    if len(body) <= EVENT_BYTES_MAX:
        try:
            return _limited(_read(_events, body))
        except msgspec.ValidationError:
            pass
    try:
        texts = _limited(_read(_texts, body))
    except msgspec.ValidationError as error:
        raise ValidationError(f"body: expected a JSON array of events: {error}") from error
    return [_decode_one(index, text) for index, text in enumerate(texts)]


def decode_either(body: bytes) -> Sequence[WireEvent | Rejection]:
    """Read an array of events, or one event where the body does not open with a bracket."""
    return decode_batch(body) if body.lstrip()[:1] == b"[" else decode_single(body)


def json_text(body: bytes) -> msgspec.Raw:
    """One JSON value, as the exact text received. Raises `ValidationError` for anything else."""
    _require_utf8(body)
    return _read(_text, body.strip())


def _require_utf8(body: bytes) -> None:
    """JSON text is UTF-8; the decoder looks only at the strings that it returns."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise ValidationError(f"body: not UTF-8 at byte {error.start}") from error


def _read(decoder: msgspec.json.Decoder[_T], body: bytes) -> _T:
    """Decode. Lets `msgspec.ValidationError` (JSON of another shape) through."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError as error:
        raise ValidationError(f"body: {error}") from error
    except RecursionError as error:
        raise ValidationError("body: JSON is nested too deeply") from error


def require_few(events: int) -> None:
    """Raises `TooLargeError` for more events than a request may hold."""
    if events > EVENTS_PER_REQUEST_MAX:
        raise TooLargeError(
            f"body: {events} events, the limit is {EVENTS_PER_REQUEST_MAX} a request",
            events=events,
            events_max=EVENTS_PER_REQUEST_MAX,
        )


def _limited(events: list[_T]) -> list[_T]:
    require_few(len(events))
    return events


def _decode_one(index: int, text: msgspec.Raw) -> WireEvent | Rejection:
    """Read one event whose text is known to be JSON."""
    size = len(text)
    try:
        if size <= EVENT_BYTES_MAX:
            return _event.decode(text)
        code, reason = "event_too_large", f"event: {size} bytes, the limit is {EVENT_BYTES_MAX}"
    except msgspec.ValidationError as error:
        code, reason = "invalid_event", f"event: {error}"
    try:
        event_id = _just_id.decode(text).id
    except msgspec.ValidationError:
        event_id = None
    return Rejection(index, event_id, code, reason)
