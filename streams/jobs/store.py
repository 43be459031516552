"""ClickHouse as jobs use it: bounded reads, and writes that are repeated until acknowledged."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

import polars as pl
import pyarrow as pa
from clickhouse_connect.driver.exceptions import StreamFailureError
from urllib3.exceptions import HTTPError

import sql
from core.errors import DependencyDownError
from core.levels import LEVELS_MAX, ROLL
from db.clickhouse import connect_clickhouse
from streams.jobs.plan import COUNTS, Job
from streams.sink import INSERT_SETTINGS, arrow_block, until_done

_LEDGER_ROWS_MAX: Final = 100_000
"""Rows of the ledger that one plan looks at; what comes after them waits for the next plan."""

_ROWS_PER_INSERT: Final = 250_000
_NAMED_MAX: Final = 500
"""Most names that a query lists; for more it reads everything, and the kernel leaves out."""


class Part(NamedTuple):
    """A partition of a generation of the log, and its chunk size."""

    generation: int
    partition: int
    chunk_records: int

    def where(self) -> dict[str, object]:
        """What the queries of one partition are given."""
        return {"generation": self.generation, "partition": self.partition}


class JobStore:
    """One connection's worth of reads and writes. Raises `Stopped` once `stop` is set."""

    def __init__(self, clickhouse_url: str, stop: threading.Event) -> None:
        self.stop = stop
        self._client = until_done(lambda: connect_clickhouse(clickhouse_url), stop)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def parts(self) -> list[Part]:
        """Every partition that the ledger knows, of all generations."""
        query = sql.load("clickhouse/queries/job_parts")
        rows = until_done(lambda: self._client.query(query).result_rows, self.stop)
        return [Part(*row) for row in rows]

    def ledger(self, part: Part, newest: int) -> pl.DataFrame:
        """The rows of a partition that a plan has to look at under catalog version `newest`."""
        asked = part.where() | {
            "newest": newest, "top": LEVELS_MAX - 1, "roll": ROLL, "rows_max": _LEDGER_ROWS_MAX,
        }  # fmt: skip
        return self._table("job_ledger", asked)

    def incomplete(self, part: Part, job: Job) -> list[int]:
        """Runs of a back-fill of which other events are stored than the ledger proves."""
        found = self._table("job_stored_events", part.where() | _offsets(part, job))
        both = job.ledger.join(found, on="run", how="left").with_columns(
            pl.col("stored").fill_null(0)
        )
        return both.filter(pl.col("stored") != pl.col("accepted"))["run"].to_list()

    def events(
        self,
        part: Part,
        job: Job,
        tenants: set[str],
        types: set[str],
        each: Callable[[pl.DataFrame], pl.DataFrame],
    ) -> list[pl.DataFrame]:
        """`each` of the blocks of events of a back-fill's chunks, of these tenants and types."""
        asked = part.where() | _offsets(part, job)
        asked |= {"tenants": _named(tenants), "types": _named(types)}
        return until_done(
            lambda: [each(block) for block in self._blocks("job_events", asked)], self.stop
        )

    def usage(
        self,
        part: Part,
        job: Job,
        meter_ids: set[str],
        taker: Callable[[], Callable[[pl.DataFrame], None]],
    ) -> None:
        """Give a taker the blocks of rows that a roll-up merges, then an empty one.

        `run` is the roll-up's run already. Blocks come in the order of the table's key. After
        trouble a new taker gets them again from the first.
        """
        asked = part.where() | {
            "level": job.level - 1,
            "roll": ROLL,
            "first_run": job.first_run * ROLL,
            "end_run": job.end_run * ROLL,
            "meter_ids": _named(meter_ids),
        }

        def read() -> None:
            take = taker()
            for block in self._blocks("job_usage", asked):
                take(block)
            take(pl.DataFrame())

        until_done(read, self.stop)

    def write(self, part: Part, job: Job, table: str, frame: pl.DataFrame) -> None:
        """Insert rows of a job's runs; waits until they are on disk."""
        keys = {
            "generation": pl.lit(part.generation, pl.UInt16),
            "partition": pl.lit(part.partition, pl.UInt16),
            "level": pl.lit(job.level, pl.UInt8),
        }
        for some in frame.iter_slices(_ROWS_PER_INSERT):
            self._insert(table, arrow_block(some.with_columns(**keys)))

    def _insert(self, table: str, block: pa.Table) -> None:
        until_done(
            lambda: self._client.insert_arrow(table, block, settings=INSERT_SETTINGS), self.stop
        )

    def prove(self, part: Part, job: Job) -> None:
        """Write the ledger rows of a job: everything else of it has to be on disk."""
        log_time = pl.from_epoch("log_time_ms", "ms").dt.replace_time_zone("UTC").alias("log_time")
        columns = ("run", "last_offset", log_time, "catalog_version", *COUNTS)
        self.write(part, job, "stream_ledger", job.ledger.select(columns))

    def _table(self, name: str, asked: Mapping[str, object]) -> pl.DataFrame:
        query = sql.load(f"clickhouse/queries/{name}")
        table = until_done(
            lambda: self._client.query_arrow(query, parameters=dict(asked)), self.stop
        )
        return pl.DataFrame(pl.from_arrow(table))

    def _blocks(self, name: str, asked: Mapping[str, object]) -> Iterator[pl.DataFrame]:
        """The blocks of an answer. Raises `DependencyDownError` when it breaks off."""
        query = sql.load(f"clickhouse/queries/{name}")
        try:
            with self._client.query_arrow_stream(query, parameters=dict(asked)) as blocks:
                for block in blocks:
                    yield pl.DataFrame(pl.from_arrow(block))
        except (HTTPError, StreamFailureError, pa.ArrowInvalid) as error:
            raise DependencyDownError(f"ClickHouse broke off an answer: {error}") from error


def _offsets(part: Part, job: Job) -> dict[str, object]:
    return {
        "chunk_records": part.chunk_records,
        "first": job.first_run * part.chunk_records,
        "end": job.end_run * part.chunk_records,
    }


def _named(names: set[str]) -> list[str]:
    return sorted(names) if len(names) <= _NAMED_MAX else []
