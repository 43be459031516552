"""Lines with one JSON event each. A line that is no JSON is refused alone; blank ones are none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from core.cloudevents import json_format
from core.cloudevents.columnar.admitting import admit_clean_lines
from core.cloudevents.wire import Rejection, WireEvent
from core.errors import ValidationError
from ingest.formats.wire_format import WireFormat

MEDIA_TYPE: Final = "application/x-ndjson"


def decode(body: bytes) -> Sequence[WireEvent | Rejection]:
    """Read the events of all lines. Raises `TooLargeError` for more than a request may hold."""
    lines = [line for line in body.split(b"\n") if line and not line.isspace()]
    json_format.require_few(len(lines))
    return [_decode_line(index, line) for index, line in enumerate(lines)]


def _decode_line(index: int, line: bytes) -> WireEvent | Rejection:
    try:
        return json_format.decode_at(index, line)
    except ValidationError as error:
        return Rejection(index, None, "invalid_event", error.message)


FORMAT: Final = WireFormat(decode, admit_clean_lines, is_json=True)
