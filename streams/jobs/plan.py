"""Which complete runs of a partition have to be brought to a newer catalog: a pure decision.

Level 0 is back-fill: a complete chunk that was totalled under an older catalog lacks the meters
that came later. A level above is a roll-up: `roll` complete runs of the level below, merged, with
the meters that all of them have; it is done again when that number rises.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import polars as pl

from core.levels import LEVELS_MAX, ROLL

COUNTS: Final = ("records", "events", "accepted", "duplicates", "conflicts", "rejected")
BATCH_EVENTS: Final = 500_000
"""Accepted events that one back-fill job reads."""

_ROWS: Final = ("run", "last_offset", "log_time_ms", "catalog_version", *COUNTS)


@dataclass(frozen=True, slots=True)
class Job:
    """Consecutive runs of one level that all lack the same meters.

    Those are the meters after catalog version `known`, up to `catalog_version`. `ledger` has the
    rows that prove the job once it is done: run, last_offset UInt64, log_time_ms Int64,
    catalog_version UInt32 and the counts UInt64, ordered by run.
    """

    level: int
    known: int
    catalog_version: int
    ledger: pl.DataFrame

    @property
    def first_run(self) -> int:
        """The first run."""
        return int(self.ledger["run"][0])

    @property
    def end_run(self) -> int:
        """The run after the last."""
        return int(self.ledger["run"][-1]) + 1

    @property
    def accepted(self) -> int:
        """Accepted events in all runs."""
        return int(self.ledger["accepted"].sum())


def plan(
    ledger: pl.DataFrame,
    newest: int,
    chunk_records: int,
    *,
    roll: int = ROLL,
    levels: int = LEVELS_MAX,
    batch_events: int = BATCH_EVENTS,
) -> list[Job]:
    """The jobs of one partition under the catalog version `newest`, in the order to do them.

    ledger: the newest row of each run: level UInt8 and the columns of `Job.ledger`. It may lack
    what is settled: the highest level and the runs below a run, once that has `newest`. Roll-ups
    are planned on what the jobs before them will have written.
    """
    chunks = ledger.filter(
        (pl.col("level") == 0) & (pl.col("last_offset") + 1 == (pl.col("run") + 1) * chunk_records)
    ).select(_ROWS)
    older = chunks.filter(pl.col("catalog_version") < newest).with_columns(
        known=pl.col("catalog_version"), catalog_version=pl.lit(newest, pl.UInt32)
    )
    jobs = list(_batches(older, 0, batch_events))
    current = _replaced(chunks, older)
    for level in range(1, levels):
        own = ledger.filter(pl.col("level") == level).select(_ROWS)
        due = _due(current, own, newest, roll)
        # A roll-up reads rows, not events: how many is not known here, so it streams them.
        jobs += _batches(due, level, batch_events * roll)
        current = _replaced(own, due)
    return jobs


def _due(below: pl.DataFrame, own: pl.DataFrame, newest: int, roll: int) -> pl.DataFrame:
    """Runs above complete runs `below` that are missing among `own`, or older than they could be.

    A worker that knows fewer meters than another one had goes as far as its own knowledge.
    """
    merged = (
        below.sort("run")
        .group_by(pl.col("run") // roll, maintain_order=True)
        .agg(
            pl.len().alias("children"),
            pl.col("last_offset", "log_time_ms").last(),
            pl.col("catalog_version").min().clip(upper_bound=newest),
            pl.col(COUNTS).sum(),
        )
        .filter(pl.col("children") == roll)
        .join(own.select("run", known="catalog_version"), on="run", how="left")
    )
    return merged.filter(
        pl.col("known").is_null() | (pl.col("known") < pl.col("catalog_version"))
    ).select(*_ROWS, pl.col("known").fill_null(0))


def _replaced(rows: pl.DataFrame, newer: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([rows.join(newer, on="run", how="anti"), newer.select(_ROWS)])


def _batches(due: pl.DataFrame, level: int, batch_events: int) -> Iterator[Job]:
    """Jobs of consecutive runs with the same versions, of about `batch_events` events each."""
    if not len(due):
        return
    due = due.sort("run")
    versions = pl.struct("known", "catalog_version")
    breaks = (pl.col("run") != pl.col("run").shift() + 1) | (versions != versions.shift())
    before = pl.col("accepted").cum_sum().over("stretch") - pl.col("accepted")
    parts = due.with_columns(stretch=breaks.fill_null(value=True).cum_sum()).with_columns(
        part=before // batch_events
    )
    for part in parts.partition_by("stretch", "part", maintain_order=True):
        known, version = part.select("known", "catalog_version").row(0)
        yield Job(level, known, version, part.select(_ROWS))
