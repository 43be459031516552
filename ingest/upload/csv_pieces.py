"""CSV files: every cell is text, as in a CSV body."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import pyarrow as pa
import pyarrow.csv

from core.errors import ValidationError
from ingest.formats.csv import convert_options
from ingest.upload.pieces import Defaults, Piece, Report, pieces_of_batches

_BLOCK_BYTES: Final = 2**20
_HEADER_LINES: Final = 1


def cut(path: Path, digest: str, defaults: Defaults, report: Report) -> Iterator[Piece]:
    """Cut the rows. Raises `ValidationError` for what is no CSV."""
    try:
        yield from pieces_of_batches(_batches(path, report), digest, defaults)
    except pa.ArrowException as error:
        raise ValidationError(f"{path}: not CSV: {error}", field="file") from error


def _batches(path: Path, report: Report) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Rows between those that are refused, with their places in the file."""
    bad: deque[int] = deque()

    def refuse(row: pyarrow.csv.InvalidRow) -> Literal["skip"]:
        bad.append((row.number or 0) - _HEADER_LINES)
        what = f"{row.actual_columns} cells, the header has {row.expected_columns}"
        report(bad[-1], f"row: {what}")
        return "skip"

    at = 1
    with pyarrow.csv.open_csv(
        path,
        pyarrow.csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
        pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=refuse),
        convert_options(_names(path)),
    ) as reader:
        for batch in reader:
            done = 0
            while done < batch.num_rows:
                while bad and bad[0] == at:
                    at += 1
                    bad.popleft()
                rows = batch.num_rows - done
                if bad:
                    rows = min(rows, bad[0] - at)
                yield at, batch.slice(done, rows)
                at, done = at + rows, done + rows


def _names(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return next(csv.reader(file), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValidationError(
            f"{path}: the header line is no CSV: {error}", field="file"
        ) from error
