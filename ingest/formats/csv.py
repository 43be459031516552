"""CSV with a header line (RFC 4180). Every value is text; an empty cell without quotes is none."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Final, Literal

import pyarrow as pa
import pyarrow.csv

from core.cloudevents.json_format import EVENTS_PER_REQUEST_MAX, require_few
from core.cloudevents.wire import Rejection, WireEvent
from core.errors import ValidationError
from ingest.formats.tables import check_shape, events_of
from ingest.formats.wire_format import WireFormat

MEDIA_TYPE: Final = "text/csv"
_HEADER_LINES: Final = 1


def decode(body: bytes) -> Sequence[WireEvent | Rejection]:
    """Read the rows; one with too many or too few cells is refused alone.

    Raises `ValidationError` and `TooLargeError`.
    """
    bad: list[Rejection] = []
    found = events_of(_table(body, bad))
    for rejection in bad:  # in order: each one's place is right once those before it are in
        found.insert(rejection.index, rejection)
    return [
        Rejection(index, each.id, each.code, each.message) if isinstance(each, Rejection) else each
        for index, each in enumerate(found)
    ]


def convert_options(names: Sequence[str]) -> pyarrow.csv.ConvertOptions:
    """Every cell is text; an empty one without quotes is null."""
    return pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )


def _table(body: bytes, bad: list[Rejection]) -> pa.Table:
    names = _names(body)
    check_shape(0, names)

    def refuse(row: pyarrow.csv.InvalidRow) -> Literal["skip", "error"]:
        index = (row.number or 0) - _HEADER_LINES - 1
        message = f"row: {row.actual_columns} cells, the header has {row.expected_columns}"
        bad.append(Rejection(index, None, "invalid_event", message))
        return "skip" if len(bad) <= EVENTS_PER_REQUEST_MAX else "error"

    try:
        table = pyarrow.csv.read_csv(
            io.BytesIO(body),
            pyarrow.csv.ReadOptions(use_threads=False, block_size=max(len(body), 1)),
            pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=refuse),
            convert_options(names),
        )
    except pa.ArrowException as error:
        require_few(len(bad))
        raise ValidationError(f"body: not CSV: {error}") from error
    check_shape(table.num_rows + len(bad), table.column_names)
    return table


def _names(body: bytes) -> list[str]:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValidationError(f"body: not UTF-8 at byte {error.start}") from error
    try:
        return next((row for row in csv.reader(io.StringIO(text, newline="")) if row), [])
    except csv.Error as error:
        raise ValidationError(f"body: the header line is no CSV: {error}") from error


FORMAT: Final = WireFormat(decode)
