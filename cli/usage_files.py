"""Files of usage, read in batches: Parquet, CSV or NDJSON, by their endings, every number exact."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from core.errors import ValidationError
from rating import Price, add_usage, usage_of_table
from rating.errors import UsageTableError

BATCH_ROWS: Final = 500_000

Tell = Callable[[int, int | None], None]
"""Takes the rows read, and how many there are if that is known."""


def read_usage(file: Path, prices: Sequence[Price], tell: Tell) -> pl.DataFrame:
    """All usage of a file, summed: `frames.GROUPED_USAGE`.

    Memory holds a batch and the sums, not the file. Raises `ValidationError` naming file, column,
    row and fix.
    """
    done = 0
    sums: list[pl.DataFrame] = []
    try:
        for table, total in _batches(file):
            sums.append(usage_of_table(table, prices))
            if sum(each.height for each in sums[1:]) >= max(BATCH_ROWS, sums[0].height):
                sums = [add_usage(sums)]
            done += table.height
            tell(done, total)
    except UsageTableError as error:
        row = None if error.row is None else error.row + done
        told = UsageTableError(error.column, error.problem, row)
        raise ValidationError(f"{file}: {told.message}", **told.details) from error
    except OSError as error:
        raise ValidationError(f"{file}: cannot be read: {error.strerror or error}") from error
    except (pa.ArrowException, ValueError) as error:
        form = file.suffix.removeprefix(".").upper()
        raise ValidationError(f"{file}: not {form}: {error}") from error
    if not sums:
        raise ValidationError(f"{file}: has no rows; give a file of usage")
    return add_usage(sums)


def _batches(file: Path) -> Iterator[tuple[pl.DataFrame, int | None]]:
    readers = {".parquet": _parquet, ".csv": _csv, ".ndjson": _ndjson, ".jsonl": _ndjson}
    if file.suffix not in readers:
        known = ", ".join(readers)
        raise ValidationError(f"{file}: give a file that ends in one of {known}")
    return readers[file.suffix](file)


def _parquet(file: Path) -> Iterator[tuple[pl.DataFrame, int | None]]:
    with pa_parquet.ParquetFile(file) as source:
        for batch in source.iter_batches(BATCH_ROWS):
            yield _frame(batch), source.metadata.num_rows


def _csv(file: Path) -> Iterator[tuple[pl.DataFrame, int | None]]:
    """Every cell is read as text, so that no number becomes a binary fraction."""
    with pa_csv.open_csv(file) as header:
        names = header.schema.names
    options = pa_csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True
    )
    with pa_csv.open_csv(file, convert_options=options) as source:
        for batch in source:
            yield _frame(batch), None


def _ndjson(file: Path) -> Iterator[tuple[pl.DataFrame, int | None]]:
    """Numbers keep their text, so that no one becomes a binary fraction."""
    with file.open(encoding="utf-8") as source:
        while lines := list(islice(source, BATCH_ROWS)):
            rows = [json.loads(line, parse_float=str, parse_int=str) for line in lines]
            if not all(isinstance(row, dict) for row in rows):
                raise ValueError("every line must be an object")
            yield pl.DataFrame(rows, infer_schema_length=None), None


def _frame(batch: pa.RecordBatch) -> pl.DataFrame:
    frame = pl.from_arrow(batch)
    assert isinstance(frame, pl.DataFrame)
    return frame
