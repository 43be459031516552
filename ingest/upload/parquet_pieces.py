"""Parquet files, of any size and encoding: they are read here, and sent as Arrow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import ValidationError
from ingest.upload.pieces import ROWS_MAX, Defaults, Piece, Report, pieces_of_batches


def cut(path: Path, digest: str, defaults: Defaults, report: Report) -> Iterator[Piece]:  # noqa: ARG001 - a `Cut`
    """Cut the rows. Raises `ValidationError` for what is no Parquet file."""
    try:
        with pq.ParquetFile(path) as file:
            yield from pieces_of_batches(_batches(file), digest, defaults)
    except pa.ArrowException as error:
        raise ValidationError(f"{path}: not a Parquet file: {error}", field="file") from error


def _batches(file: pq.ParquetFile) -> Iterator[tuple[int, pa.RecordBatch]]:
    at = 1
    for batch in file.iter_batches(ROWS_MAX):
        yield at, batch
        at += batch.num_rows
