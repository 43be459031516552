"""The ending of a file's name says how it is cut."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from core.errors import ValidationError
from ingest.upload import csv_pieces, ndjson_pieces, parquet_pieces
from ingest.upload.pieces import Cut

CUTTERS: Final[Mapping[str, Cut]] = {
    ".csv": csv_pieces.cut,
    ".ndjson": ndjson_pieces.cut,
    ".jsonl": ndjson_pieces.cut,
    ".parquet": parquet_pieces.cut,
}


def cutter_of(path: Path) -> Cut:
    """How a file is cut. Raises `ValidationError` for an ending without a meaning."""
    cut = CUTTERS.get(path.suffix.lower())
    if cut is None:
        raise ValidationError(
            f"{path}: a file of events ends in one of {', '.join(CUTTERS)}", field="file"
        )
    return cut
