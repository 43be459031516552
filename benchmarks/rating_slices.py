"""`python -m benchmarks.rating_slices FOLDER SIZE`: the files of a folder, rated slice by slice.

Reads lines.parquet and usage.parquet, writes rated-*.parquet, and prints the lines, the seconds and
the most memory that was held, as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import polars as pl

from benchmarks.rating_jobs import TIERS, book
from core.clock import monotonic_seconds
from rating.engine import rate_slices


def main(folder: Path, size: int) -> None:
    """Rate the files of a folder."""
    began_seconds, count = monotonic_seconds(), 0
    lines, usage = (pl.scan_parquet(folder / f"{name}.parquet") for name in ("lines", "usage"))
    for number, rated in enumerate(rate_slices(lines, usage, book(TIERS), size=size)):
        rated.write_parquet(folder / f"rated-{number:05}.parquet")
        count += rated.height
    found = {
        "lines": count,
        "seconds": monotonic_seconds() - began_seconds,
        "rss_peak_bytes": _rss_peak_bytes(),
    }
    print(json.dumps(found))


def _rss_peak_bytes() -> int:
    """Of this program alone: getrusage counts what the process was before it began, too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
