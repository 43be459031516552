"""The ledger of one partition: how far the log is proved, and where reading has to start."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
from clickhouse_connect.driver.client import Client

import sql
from core.errors import ConflictError
from streams.generation import Generation


@dataclass(frozen=True, slots=True)
class Ledger:
    """The chunk rows of one partition, ordered by run without repetition.

    rows: run, last_offset UInt64, log_time_ms Int64, catalog_version UInt32, and the counts
    records, events, accepted, duplicates, conflicts, rejected UInt64.
    """

    rows: pl.DataFrame
    chunk_records: int

    @property
    def covered(self) -> int:
        """Offsets proved without a hole: complete chunks from 0 on, then the head of the next."""
        runs, last = self.rows["run"].to_numpy(), self.rows["last_offset"].to_numpy()
        end = 0
        for run, offset in zip(runs.tolist(), last.tolist(), strict=True):
            if run * self.chunk_records != end:
                break
            end = offset + 1
        return end

    def start(self, first: int) -> int:
        """Where to start reading a log whose oldest offset is `first`.

        The start of the first chunk that the ledger does not complete; where the log has lost that,
        right after the last offset proved. Raises `ConflictError` when more is lost.
        """
        start = self.covered // self.chunk_records * self.chunk_records
        if start >= first:
            return start
        if self.covered < first:
            raise ConflictError(
                f"the log begins at offset {first}, but only {self.covered} offsets are proved:"
                " records were deleted before they were counted. Nothing was skipped; restore the"
                " topic, or the ClickHouse tables that had counted them."
            )
        return self.covered

    def check_end(self, end: int) -> None:
        """Raise `ConflictError` when a log that ends before offset `end` lost what was counted.

        New records would take the offsets of counted ones and never be counted.
        """
        if end < self.covered:
            raise ConflictError(
                f"the log ends at offset {end}, but {self.covered} offsets are counted already: it"
                " was truncated, and what is written to it now would not be counted. Stop the"
                " producers and restore the topic from a backup or mirror."
            )

    def before(self, start: int) -> dict[str, int] | None:
        """The row that proves the offset before `start`, or None at the start of the log.

        Raises `ConflictError` when reading cannot start there.
        """
        if start > self.covered or (start % self.chunk_records and start != self.covered):
            raise ConflictError(f"offset {start} does not follow what is proved ({self.covered})")
        if start == 0:
            return None
        run = (start - 1) // self.chunk_records
        return self.rows.row(by_predicate=pl.col("run") == run, named=True)


def load_ledger(client: Client, generation: Generation, partition: int) -> Ledger:
    """Read the chunk rows of a partition."""
    table = client.query_arrow(
        sql.load("clickhouse/queries/ledger_of_partition"),
        parameters={"generation": generation.number, "partition": partition},
    )
    return Ledger(pl.DataFrame(pl.from_arrow(table)), generation.chunk_records)
