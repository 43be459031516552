"""Lines with a JSON event each; blank ones do not count."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from core.errors import ValidationError
from core.events import EVENT_BYTES_MAX
from ingest.formats import ndjson
from ingest.upload.pieces import (
    BYTES_MAX,
    ROWS_MAX,
    Defaults,
    Piece,
    Report,
    id_of_row,
)

_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SPECVERSION: Final = "1.0"
_LINE_MAX: Final = EVENT_BYTES_MAX + 2


def cut(path: Path, digest: str, defaults: Defaults, report: Report) -> Iterator[Piece]:
    """Cut the lines. Raises `ValidationError` when the file cannot be read."""
    lines: list[bytes] = []
    first_row, size = 1, 0
    for row, line in _lines(path):
        is_long = len(line) > EVENT_BYTES_MAX + 1
        filled = b"" if is_long else _filled(line, digest, defaults, row)
        if is_long or len(lines) == ROWS_MAX or size + len(filled) > BYTES_MAX:
            yield from _piece(first_row, lines)
            lines, first_row, size = [], row + is_long, 0
        if is_long:
            report(row, f"event: over the limit of {EVENT_BYTES_MAX} bytes")
        else:
            lines.append(filled)
            size += len(filled)
    yield from _piece(first_row, lines)


def _piece(first_row: int, lines: list[bytes]) -> Iterator[Piece]:
    if lines:
        yield Piece(first_row, len(lines), ndjson.MEDIA_TYPE, b"".join(lines))


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Of a line that is too long only a start is kept."""
    try:
        with path.open("rb") as file:
            row = 0
            while line := file.readline(_LINE_MAX):
                rest = line
                while len(rest) == _LINE_MAX and not rest.endswith(b"\n"):
                    rest = file.readline(_LINE_MAX)
                if not line.isspace():
                    row += 1
                    yield row, line if line.endswith(b"\n") else line + b"\n"
    except OSError as error:
        raise ValidationError(f"{path}: cannot be read: {error.strerror}", field="file") from error


def _filled(line: bytes, digest: str, defaults: Defaults, row: int) -> bytes:
    """With what the event does not say; a line that is no object stays as it is."""
    try:
        event = _object.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return line
    given = {"specversion": _SPECVERSION, "id": id_of_row(digest, row), **defaults.given()}
    missing = {name: text for name, text in given.items() if name not in event}
    if not missing:
        return line
    head = json.dumps(missing)[1:-1].encode()
    rest = line.lstrip()[1:]
    return b"{" + head + (b"," if event else b"") + rest
