"""The file of a correction: CloudEvents, one a line, read as a stream however long it is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from core.clock import epoch_micros
from core.cloudevents.contract import admit
from core.cloudevents.wire import WireEvent
from core.errors import ValidationError
from core.events import EVENT_BYTES_MAX, VOID_TYPE
from usage.event_history import Span

_DECODER: Final = msgspec.json.Decoder(WireEvent)
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"


def check_file(path: Path, spans: Sequence[Span], now: datetime) -> tuple[str, int]:
    """Hex SHA-256 and number of events of a file whose every line may stand in a correction.

    Each is an event by the contract of the log, with its own `time`, and its subject and time lie
    in one of the `spans`. Raises `ValidationError` naming the line.
    """
    digest = hashlib.sha256()
    count = 0
    periods: dict[str, list[tuple[int, int]]] = {}
    for span in spans:
        bounds = epoch_micros(span.period.start), epoch_micros(span.period.end)
        for subject in span.subjects:
            periods.setdefault(subject, []).append(bounds)
    for number, line in _lines(path):
        digest.update(line)
        if not line.strip():
            continue
        count += 1
        where = f"{path.name}, line {number}"
        event = _event(line, where)
        admitted = admit([event], _NOBODY, epoch_micros(now), escaped=True)
        for rejection in admitted.rejections:
            raise ValidationError(f"{where}: {rejection.message}", line=number)
        columns = admitted.columns
        if event.time is None:
            raise ValidationError(f"{where}: time: missing; a correction is about a time")
        micros = columns.time[0]
        if not any(start <= micros < end for start, end in periods.get(columns.subject[0], ())):
            raise ValidationError(
                f"{where}: {event.subject!r} at {event.time} is not among what is corrected",
                line=number,
            )
    return digest.hexdigest(), count


def events_of_file(path: Path) -> Iterator[tuple[int, WireEvent]]:
    """Number of the line, and event, of every line that is not empty."""
    for number, line in _lines(path):
        if line.strip():
            yield number, _event(line, f"{path.name}, line {number}")


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(EVENT_BYTES_MAX + 2):
                number += 1
                if len(line) > EVENT_BYTES_MAX + 1:
                    raise ValidationError(
                        f"{path.name}, line {number}: over {EVENT_BYTES_MAX} bytes: one event a"
                        " line"
                    )
                yield number, line
    except OSError as error:
        raise ValidationError(f"{path}: cannot be read: {error.strerror}") from error


def _event(line: bytes, where: str) -> WireEvent:
    try:
        line.decode()
        event = _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValidationError(f"{where}: not one CloudEvent in JSON: {error}") from error
    if event.type == VOID_TYPE:
        raise ValidationError(f"{where}: type: a correction's file holds events, not voids")
    return event
