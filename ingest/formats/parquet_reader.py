"""Reads Parquet in a process of its own: a hostile file can end the reader, never the server.

`python -m ingest.formats.parquet_reader` reads bodies from stdin and writes answers to stdout, each
behind its kind and length, until stdin ends.
"""

from __future__ import annotations

import json
import resource
import sys
from struct import Struct
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import TollbookError, TooLargeError, ValidationError
from ingest.encodings import too_large
from ingest.formats.parquet_pages import bound_chunks, bound_pages
from ingest.formats.tables import check_shape, is_bytes, is_text, needed_columns
from ingest.settings import BODY_BYTES_MAX

FRAME: Final = Struct("<BQ")
"""In front of a body and of an answer: its kind, and how many bytes follow."""

BODY, TABLE, INVALID, TOO_LARGE = range(4)
"""Kinds: a Parquet file; its rows as an Arrow stream; an error as JSON."""

_ADDRESS_BYTES_MAX: Final = 4 * 2**30
"""Of the process: libraries and arenas reserve most of it and use little."""

_METADATA_BYTES_MAX: Final = 2**20
_METADATA_ITEMS_MAX: Final = 100_000


def read_table(body: bytes) -> pa.Table:
    """The rows of all row groups, texts as dictionaries.

    Raises `ValidationError` and `TooLargeError`, before anything inflates.
    """
    try:
        return _read(body)
    except (pa.ArrowException, OSError, ValueError, EOFError, ArithmeticError) as error:
        raise ValidationError(f"body: not a Parquet file: {error}") from error


def _read(body: bytes) -> pa.Table:
    file = _open(body, [])
    metadata = file.metadata
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    rows = max(metadata.num_rows, sum(group.num_rows for group in groups))
    check_shape(rows, file.schema_arrow.names)
    needed = needed_columns(file.schema_arrow)
    bound_chunks(body, groups)
    if sum(bound_pages(body, group) for group in groups) > BODY_BYTES_MAX:
        raise too_large(BODY_BYTES_MAX)
    # As dictionaries: a text that is repeated in every row is kept once until it is measured.
    kinds = {field.name: field.type for field in file.schema_arrow}
    texts = [name for name in needed if is_text(kinds[name]) or is_bytes(kinds[name])]
    table = _open(body, texts).read(needed, use_threads=False)
    table.validate(full=True)
    return table


def _open(body: bytes, dictionaries: list[str]) -> pq.ParquetFile:
    return pq.ParquetFile(
        pa.BufferReader(body),
        read_dictionary=dictionaries,
        thrift_string_size_limit=_METADATA_BYTES_MAX,
        thrift_container_size_limit=_METADATA_ITEMS_MAX,
    )


def _answer(body: bytes) -> tuple[int, bytes]:
    try:
        table = read_table(body)
    except TollbookError as error:
        kind = TOO_LARGE if isinstance(error, TooLargeError) else INVALID
        return kind, json.dumps([error.message, error.details]).encode()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return TABLE, sink.getvalue().to_pybytes()


def serve(bodies: BinaryIO, answers: BinaryIO) -> None:
    """Answer every body until there are no more."""
    while head := bodies.read(FRAME.size):
        _, size = FRAME.unpack(head)
        kind, payload = _answer(bodies.read(size))
        answers.write(FRAME.pack(kind, len(payload)) + payload)
        answers.flush()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_BYTES_MAX, _ADDRESS_BYTES_MAX))
    serve(sys.stdin.buffer, sys.stdout.buffer)
