"""What a file is cut into: the bodies of requests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from core.errors import ValidationError
from ingest.formats import arrow
from ingest.formats.tables import is_text

ROWS_MAX: Final = 5_000
"""Most events of a request."""

BYTES_MAX: Final = 4 * 2**20
"""Size from which on a request is halved, if it can be."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The body of a request: `rows` events of a file, from `first_row` on, counted from 1."""

    first_row: int
    rows: int
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a file does not say itself: attributes for all of its events, where not None."""

    source: str | None = None
    type: str | None = None

    def given(self) -> dict[str, str]:
        """Those that are not None."""
        pairs = {"source": self.source, "type": self.type}
        return {name: value for name, value in pairs.items() if value is not None}


Report = Callable[[int, str], None]
"""Told the row, and what is wrong with it, where it cannot even be sent."""

Cut = Callable[[Path, str, Defaults, Report], Iterator[Piece]]
"""Takes the file, its `digest_of`, of which ids are made, and what it does not say itself."""


def digest_of(path: Path) -> str:
    """Hex SHA-256 of the file. Raises `ValidationError` when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ValidationError(f"{path}: cannot be read: {error.strerror}", field="file") from error


def pieces_of_batches(
    batches: Iterable[tuple[int, pa.RecordBatch]], digest: str, defaults: Defaults
) -> Iterator[Piece]:
    """Arrow bodies of batches, each with its first row in the file.

    An `id` that is missing is made of the file and the row.
    """
    for first_row, batch in batches:
        for start in range(0, batch.num_rows, ROWS_MAX):
            part = pa.Table.from_batches([batch.slice(start, ROWS_MAX)])
            yield from _bodies(
                _filled(part, digest, defaults, first_row + start), first_row + start
            )


def _bodies(table: pa.Table, first_row: int) -> Iterator[Piece]:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    if sink.tell() > BYTES_MAX and table.num_rows > 1:
        half = table.num_rows // 2
        yield from _bodies(table.slice(0, half).combine_chunks(), first_row)
        yield from _bodies(table.slice(half).combine_chunks(), first_row + half)
    else:
        body = sink.getvalue().to_pybytes()
        yield Piece(first_row, table.num_rows, arrow.MEDIA_TYPE, body)


def _filled(table: pa.Table, digest: str, defaults: Defaults, first_row: int) -> pa.Table:
    for name, text in defaults.given().items():
        if name in table.column_names:
            filled = pc.if_else(pc.is_null(table.column(name)), text, table.column(name))
            table = table.set_column(table.column_names.index(name), name, filled)
        else:
            table = table.append_column(name, pa.array([text] * table.num_rows, pa.string()))
    rows = range(first_row, first_row + table.num_rows)
    if "id" not in table.column_names:
        return table.append_column("id", pa.array([id_of_row(digest, row) for row in rows]))
    ids = table.column("id")
    if ids.null_count and is_text(ids.type):
        made = pa.array([id_of_row(digest, row) for row in rows], ids.type)
        filled = pc.if_else(pc.is_null(ids), made, ids)
        table = table.set_column(table.column_names.index("id"), "id", filled)
    return table


def id_of_row(digest: str, row: int) -> str:
    """The id of an event that has none: the same whenever the same file is sent."""
    return f"{digest[:32]}-{row}"
