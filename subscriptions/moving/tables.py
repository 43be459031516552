"""Tables in files, a row at a time: CSV with a header, or a JSON object on each line.

One line is one row, so that a broken row ends with its line. UTF-8, with or without a byte order
mark; lines end with or without a carriage return.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, BinaryIO, Final

from core.errors import ValidationError

LINE_BYTES_MAX: Final = 1 << 20
_MARK: Final = b"\xef\xbb\xbf"
FREE: Final = "metadata."
"""Columns that begin so are free: `metadata.old_id`."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its fields, texts where the file is CSV; or why it cannot be read."""

    line: int
    fields: dict[str, Any]
    problem: ValidationError | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A file and the columns that it may have; CSV files must have those `needed`."""

    path: Path
    kind: str
    columns: Sequence[str]
    needed: Sequence[str]

    @property
    def is_csv(self) -> bool:
        """Whether its rows are texts, cell by cell."""
        return self.path.suffix == ".csv"

    def check(self) -> None:
        """Raise `ValidationError` for a file that cannot be read, or has other columns."""
        with self._opened() as file:
            if self.is_csv:
                self._header(file)

    def rows(self) -> Iterator[Row]:
        """All rows but empty ones. Raises as `check`."""
        with self._opened() as file:
            header = self._header(file) if self.is_csv else []
            for line, raw in _lines(file, first=2 if self.is_csv else 1):
                if raw is None:
                    why = f"line: is longer than {LINE_BYTES_MAX} bytes; shorten it"
                    yield Row(line, {}, ValidationError(why, field="line"))
                elif raw.strip():
                    try:
                        yield Row(line, _cells(header, raw) if self.is_csv else _object(raw))
                    except ValidationError as problem:
                        yield Row(line, {}, problem)

    def _opened(self) -> BinaryIO:
        try:
            return self.path.open("rb")
        except OSError as error:
            raise ValidationError(f"{self.path.name}: cannot be read: {error.strerror}") from error

    def _header(self, file: BinaryIO) -> list[str]:
        _, raw = next(_lines(file, first=1), (1, b""))
        name = self.path.name
        if raw is None:
            raise ValidationError(f"{name}: line 1 is longer than {LINE_BYTES_MAX} bytes")
        try:
            header = [cell.strip() for cell in _split(raw)]
        except ValidationError as error:
            raise ValidationError(f"{name}: line 1: {error.message}") from error
        if not header or not raw.strip():
            raise ValidationError(
                f"{name}: is empty; its first line names the columns: {', '.join(self.needed)}, …"
            )
        for column in header:
            if header.count(column) > 1:
                raise ValidationError(f"{name}: the column {column[:80]!r} is there twice")
            if column not in self.columns and not _is_free(column):
                near = get_close_matches(column, self.columns, 1)
                meant = f"did you mean {near[0]!r}?" if near else "there are: "
                known = "" if near else ", ".join(self.columns)
                raise ValidationError(
                    f"{name}: there is no column {column[:80]!r}; {meant}{known}", field=column[:80]
                )
        for column in self.needed:
            if column not in header:
                raise ValidationError(f"{name}: the column {column!r} is missing", field=column)
        return header


def _is_free(column: str) -> bool:
    return column.startswith(FREE) and len(column) > len(FREE)


def _lines(file: BinaryIO, first: int) -> Iterator[tuple[int, bytes | None]]:
    """Each line with its number; None in place of one that is too long."""
    number = first
    while raw := file.readline(LINE_BYTES_MAX + 1):
        is_long = len(raw) > LINE_BYTES_MAX
        while is_long and not raw.endswith(b"\n") and raw:
            raw = file.readline(LINE_BYTES_MAX)
        yield number, None if is_long else raw.removeprefix(_MARK) if number == 1 else raw
        number += 1


def _text(raw: bytes) -> str:
    try:
        return raw.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise ValidationError("line: is no UTF-8; save the file as UTF-8", field="line") from error


def _split(raw: bytes) -> list[str]:
    try:
        return next(csv.reader([_text(raw)], strict=True), [])
    except csv.Error as error:
        raise ValidationError(
            f"line: is no CSV: {error}; a cell in quotes ends on its line", field="line"
        ) from error


def _cells(header: list[str], raw: bytes) -> dict[str, Any]:
    """The cells that say something, by column."""
    cells = _split(raw)
    if len(cells) != len(header):
        raise ValidationError(
            f"line: has {len(cells)} cells, the first line {len(header)}; put cells with commas in"
            " quotes",
            field="line",
        )
    told = zip(header, (cell.strip() for cell in cells), strict=True)
    return {column: cell for column, cell in told if cell}


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(_text(raw))
    except (ValueError, RecursionError) as error:
        raise ValidationError(f"line: is no JSON: {error}", field="line") from error
    if not isinstance(found, dict):
        raise ValidationError("line: is no JSON object; write { } around it", field="line")
    return found
