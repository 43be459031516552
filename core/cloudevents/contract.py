"""The contract that an accepted event keeps, checked event by event in the order of the request."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from core.cloudevents.columns import EventColumns
from core.cloudevents.instants import epoch_micros_of
from core.cloudevents.voids import target_of
from core.cloudevents.wire import Rejection, WireEvent
from core.events import (
    AHEAD_MAX,
    AHEAD_OF_LOG_MAX,
    DATA_DEPTH_MAX,
    HORIZON,
    TEXT_BYTES_MAX,
    TIME_MAX_MICROS,
    TIME_MIN_MICROS,
    VOID_SUBJECT,
    VOID_TYPE,
    content_of,
    key_head,
    key_of,
)

OLD_AFTER: Final = HORIZON - AHEAD_OF_LOG_MAX
"""The dedupe horizon less the allowed future: copies of an event whose own time lies further back
than this may be re-sent after the log has forgotten its key, so its sender is told."""

ATTRIBUTE_BYTES_MAX: Final = 256
AHEAD_MICROS: Final = AHEAD_MAX.days * 86_400_000_000 + AHEAD_MAX.seconds * 1_000_000
OLD_MICROS: Final = OLD_AFTER.days * 86_400_000_000 + OLD_AFTER.seconds * 1_000_000
_REQUIRED: Final = ("id", "source", "type", "subject")
_ESCAPE: Final = re.compile(rb"\\(?:u0000|.)", re.DOTALL)
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACE: Final = ord("{")
_EMPTY_OBJECT: Final = b"{}"

assert set(TEXT_BYTES_MAX.values()) == {ATTRIBUTE_BYTES_MAX}, "one limit for all attributes"


@dataclass(slots=True)
class Admitted:
    """The outcome of a request: events to publish, and a verdict on each of the others.

    `old_count` counts accepted events too old for their copies to be recognised for ever.
    """

    columns: EventColumns = field(default_factory=EventColumns)
    rejections: list[Rejection] = field(default_factory=list)
    old_count: int = 0


class _Fault(Exception):  # noqa: N818 - never leaves this module: a verdict, not a failure
    """One event breaks the contract: `code` for programs, `message` for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def admit(
    events: Sequence[WireEvent | Rejection],
    tenant_id: str,
    received_micros: int,
    *,
    escaped: bool,
) -> Admitted:
    """Check each event. `escaped` says that the text has Unicode escapes, which may hide a NUL."""
    out = Admitted()
    columns = out.columns
    head = key_head(tenant_id)
    latest = min(received_micros + AHEAD_MICROS, TIME_MAX_MICROS - 1)
    old_before = received_micros - OLD_MICROS
    for index, event in enumerate(events):
        if event.__class__ is Rejection:
            out.rejections.append(event)
            continue
        assert isinstance(event, WireEvent)
        try:
            id_bytes, source, type_, subject = _attributes(event)
            data = _data(event)
            if escaped:
                _refuse_nul(event, data)
            time = received_micros if event.time is None else _time(event.time, latest)
            key = (
                key_of(head, source, id_bytes)
                if event.type != VOID_TYPE
                else key_of(head, *_voided(data))
            )
        except _Fault as fault:
            out.rejections.append(Rejection(index, event.id, fault.code, fault.message))
            continue
        columns.key.append(key)
        columns.content_hash.append(content_of(type_, subject, event.time, data))
        # _attributes has seen that all four are there.
        columns.id.append(cast("str", event.id))
        columns.source.append(cast("str", event.source))
        columns.type.append(cast("str", event.type))
        columns.subject.append(event.subject or VOID_SUBJECT)
        columns.time.append(time)
        columns.data.append(data)
        if time < old_before:
            out.old_count += 1
    columns.tenant_id.extend([tenant_id] * len(columns))
    columns.received_at.extend([received_micros] * len(columns))
    return out


def _attributes(event: WireEvent) -> tuple[bytes, bytes, bytes, bytes]:
    """UTF-8 of id, source, type and subject, each of 1..256 bytes."""
    if event.specversion != "1.0":
        raise _Fault(
            "unsupported_spec_version",
            f'specversion: expected "1.0", got {_shown(event.specversion)}',
        )
    subject_text = event.subject or (VOID_SUBJECT if event.type == VOID_TYPE else None)
    if not (event.id and event.source and event.type and subject_text):
        name = next(name for name in _REQUIRED if not getattr(event, name))
        raise _Fault("missing_attribute", f"{name}: required, as text of 1 to 256 bytes")
    id_, source, type_, subject = (
        event.id.encode(),
        event.source.encode(),
        event.type.encode(),
        subject_text.encode(),
    )
    longest = ATTRIBUTE_BYTES_MAX
    if (
        len(id_) > longest
        or len(source) > longest
        or len(type_) > longest
        or len(subject) > longest
    ):
        sizes = zip(_REQUIRED, map(len, (id_, source, type_, subject)), strict=True)
        name, size = next(pair for pair in sizes if pair[1] > longest)
        raise _Fault("attribute_too_long", f"{name}: {size} bytes of UTF-8, the limit is {longest}")
    return id_, source, type_, subject


def _data(event: WireEvent) -> bytes:
    """The exact text of the data object; `{}` where none was sent."""
    if event.data_base64 is not None:
        raise _Fault("unsupported_data", "data_base64: binary data cannot be metered; send `data`")
    data = bytes(event.data)
    if not data or data == b"null":
        return _EMPTY_OBJECT
    if data[0] != _BRACE:
        raise _Fault("unsupported_data", f"data: expected a JSON object, got {_shown_json(data)}")
    if data.count(b"{") + data.count(b"[") > DATA_DEPTH_MAX and _depth(data) > DATA_DEPTH_MAX:
        raise _Fault("unsupported_data", f"data: nested deeper than {DATA_DEPTH_MAX}; flatten it")
    return data


def _voided(data: bytes) -> tuple[bytes, bytes]:
    try:
        return target_of(data)
    except ValueError as error:
        raise _Fault("invalid_void", str(error)) from None


def _depth(data: bytes) -> int:
    """Deepest nesting of a valid JSON text."""
    depth = deepest = 0
    for byte in _STRING.sub(b"", data):
        if byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth -= 1
    return deepest


def _time(text: str, latest_micros: int) -> int:
    try:
        micros = epoch_micros_of(text)
    except ValueError as error:
        raise _Fault("invalid_time", f"time: {_shown(text)}: {error}") from None
    if micros > latest_micros:
        raise _Fault(
            "time_too_far_ahead", f"time: {_shown(text)} is more than 24 hours ahead of the server"
        )
    if micros < TIME_MIN_MICROS:
        raise _Fault("time_too_early", f"time: {_shown(text)} is before 1970-01-01T00:00:00Z")
    return micros


def _refuse_nul(event: WireEvent, data: bytes) -> None:
    """A NUL character has no place in text columns of databases."""
    for name in (*_REQUIRED, "time"):
        if "\x00" in (getattr(event, name) or ""):
            raise _Fault("invalid_text", f"{name}: holds a NUL character (\\u0000)")
    if b"\\u0000" in data and b"\\u0000" in _ESCAPE.findall(data):
        raise _Fault("invalid_text", "data: holds a NUL character (\\u0000)")


def _shown(value: str | None) -> str:
    """A value for an error message, cut to a readable length."""
    if value is None:
        return "none"
    return repr(value if len(value) <= 64 else value[:61] + "…")  # noqa: PLR2004 - a line's width


def _shown_json(data: bytes) -> str:
    return _shown(data[:200].decode(errors="replace"))
