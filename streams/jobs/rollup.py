"""Roll-up: runs of one level merged into one of the next, hours into days."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import polars as pl

from catalog.metering.aggregate import merge
from core.levels import span_of
from streams.jobs.missing import Missing
from streams.jobs.plan import Job
from streams.jobs.store import JobStore, Part

_ROWS_AT_ONCE: Final = 200_000
_GROUP: Final = ("tenant_id", "run", "meter_id", "subject", "dimensions")
"""Its rows lie together: the table keeps the runs that make one run of the next level together."""


def roll_up(store: JobStore, part: Part, job: Job, missing: Missing) -> None:
    """Do a job of a level above 0, for the meters that its runs lack."""
    if missing.meter_ids:
        store.usage(part, job, missing.meter_ids, lambda: _Merger(store, part, job, missing).take)
    store.prove(part, job)


@dataclass(slots=True)
class _Merger:
    """Gathers rows in the order of their groups, and writes groups once they are whole."""

    store: JobStore
    part: Part
    job: Job
    missing: Missing
    gathered: list[pl.DataFrame] = field(default_factory=list)
    rows: int = 0

    def take(self, block: pl.DataFrame) -> None:
        """Take the next block; one without rows ends them."""
        if len(block):
            self.gathered.append(block)
            self.rows += len(block)
        if self.gathered and (self.rows >= _ROWS_AT_ONCE or not len(block)):
            whole = pl.concat(self.gathered)
            rest = whole.clear() if not len(block) else _last_group(whole)
            self.gathered, self.rows = [rest], len(rest)
            self._write(whole.head(len(whole) - len(rest)))
        if not len(block):
            self.gathered, self.rows = [], 0

    def _write(self, rows: pl.DataFrame) -> None:
        merged = merge(rows, self.missing.compiled, ("run",), days=True)
        span = span_of(self.job.level, self.part.chunk_records)
        last = (pl.col("run") + 1) * span - 1
        self.store.write(self.part, self.job, "meter_usage", merged.with_columns(last_offset=last))


def _last_group(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of the last group: more of them may follow."""
    last = rows.row(-1, named=True)
    of_last = pl.all_horizontal(pl.col(name) == last[name] for name in _GROUP)
    return rows.filter(of_last)
