"""Logs of accepted events and voids, written to the tables as workers and jobs leave them.

Several generations and partitions, chunks of few records, roll-ups; catalog versions with holes, so
that some runs know a meter and others do not; and rows that two owners wrote.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import polars as pl
from clickhouse_connect.driver.client import Client

from catalog.meter_definition import MeterDefinition
from catalog.metering.aggregate import (
    USAGE_COLUMNS,
    CompiledMeters,
    compile_meters,
    measure,
    merge,
    total,
)
from core.levels import LEVELS_MAX, ROLL, span_of
from db.clickhouse import connect_clickhouse

Part = tuple[int, int]
RUN: Final = ("generation", "partition", "run")
POSITION: Final = ("generation", "partition", "offset", "row")


@dataclass(frozen=True)
class Stored:
    """An accepted event (sign 1) or void (sign -1) at its place in the log."""

    generation: int
    partition: int
    offset: int
    row: int
    sign: int
    key: int
    tenant_id: str
    type: str
    subject: str
    time: datetime
    data: str


@dataclass
class Log:
    """Records by partition, chunk sizes by generation, and what was stored of them."""

    ends: dict[Part, int]
    chunk_records: dict[int, int]
    events: list[Stored] = field(default_factory=list)

    @property
    def cut(self) -> dict[str, int]:
        return {f"{part[0]}/{part[1]}": end for part, end in self.ends.items()}

    def before(self, cut: dict[str, int]) -> list[Stored]:
        """The events and voids below a cut."""
        return [
            event
            for event in self.events
            if event.offset < cut.get(f"{event.generation}/{event.partition}", 0)
        ]


def events_frame(events: Sequence[Stored]) -> pl.DataFrame:
    """As the kernel takes them, and more columns of `usage_events`."""
    schema: dict[str, type[pl.DataType] | pl.DataType] = {
        "generation": pl.UInt16, "partition": pl.UInt16, "offset": pl.UInt64, "row": pl.UInt32,
        "sign": pl.Int8, "key": pl.Binary, "tenant_id": pl.String, "type": pl.String,
        "subject": pl.String, "time": pl.Datetime("us", "UTC"), "data": pl.Binary,
    }  # fmt: skip
    rows = [
        (each.generation, each.partition, each.offset, each.row, each.sign,
         each.key.to_bytes(16, "big"), each.tenant_id, each.type, each.subject, each.time,
         each.data.encode())
        for each in events
    ]  # fmt: skip
    return pl.DataFrame(rows, schema, orient="row")


def write(
    url: str, log: Log, meters: Sequence[MeterDefinition], rng: random.Random, *, holes: bool = True
) -> None:
    """Write a log. With `holes`, chunks have any catalog version, and some runs no roll-up."""
    newest = max(meter.catalog_version for meter in meters)
    catalogs = {version: compile_meters(meters, version) for version in range(newest + 1)}
    chunk = pl.col("generation").replace_strict(log.chunk_records, return_dtype=pl.UInt64)
    events = events_frame(log.events).with_columns(run=pl.col("offset") // chunk)
    runs = _chunk_runs(log, rng.choices(range(newest + 1), k=4) if holes else [newest], rng)
    with closing(connect_clickhouse(url)) as client:
        for table in ("stream_generations", "stream_ledger"):
            client.command(f"TRUNCATE TABLE {table}")
        _insert(client, "stream_generations", _generations(log))
        for half in (events, events.sample(fraction=0.5, seed=rng.randrange(1000))):
            _insert(client, "usage_events", _event_columns(half))
        _insert(client, "stream_ledger", _ledger(runs, events))
        rows = pl.concat(
            total(measure(of_version, catalog), catalog, RUN)
            for version, catalog in catalogs.items()
            for of_version in [events.join(runs.filter(version=version), on=RUN, how="semi")]
        )
        complete = runs.filter(pl.col("complete"))
        for level in range(LEVELS_MAX):
            _insert_usage(client, rows.join(complete, on=RUN), level, rng)
            complete = _rolled_up(complete, level + 1, log.chunk_records, rng if holes else None)
            if complete.is_empty():
                break
            rows = _merged(rows, complete, catalogs)
            above = events.with_columns(pl.col("run") // ROLL ** (level + 1))
            _insert(client, "stream_ledger", _ledger(complete, above))


def _insert(client: Client, table: str, rows: pl.DataFrame) -> None:
    client.insert_arrow(table, rows.to_arrow())


def _generations(log: Log) -> pl.DataFrame:
    numbers = list(log.chunk_records)
    return pl.DataFrame(
        {
            "generation": numbers,
            "topic": [f"usage.events.{number}" for number in numbers],
            "topic_id": [f"id-{number}" for number in numbers],
            "partitions": [2] * len(numbers),
            "chunk_records": list(log.chunk_records.values()),
            "horizon_seconds": [35 * 24 * 3600] * len(numbers),
        }
    )


def _event_columns(events: pl.DataFrame) -> pl.DataFrame:
    return events.drop("run").with_columns(
        hour=pl.col("time").dt.truncate("1h").dt.epoch("s").cast(pl.UInt32),
        content_hash=pl.lit(0, pl.UInt64),
        id=pl.col("offset").cast(pl.String) + "-" + pl.col("row").cast(pl.String),
        source=pl.lit("test"),
        received_at=pl.col("time"),
        log_time=pl.col("time").dt.cast_time_unit("ms"),
    )


def _chunk_runs(log: Log, versions: Sequence[int], rng: random.Random) -> pl.DataFrame:
    """Every chunk: `RUN`, last_offset, version, level, whether it is complete, records."""
    rows = []
    for (generation, partition), end in log.ends.items():
        size = log.chunk_records[generation]
        version = rng.choice(versions)
        for run in range(-(-end // size)):
            if rng.random() < 0.05:
                version = rng.choice(versions)
            records = min(size, end - run * size)
            last = run * size + records - 1
            rows.append((generation, partition, run, last, version, 0, records == size, records))
    schema = {
        "generation": pl.UInt16, "partition": pl.UInt16, "run": pl.UInt64, "last_offset": pl.UInt64,
        "version": pl.Int64, "level": pl.UInt8, "complete": pl.Boolean,
        "records": pl.UInt64,
    }  # fmt: skip
    return pl.DataFrame(rows, schema, orient="row")


def _ledger(runs: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    counts = events.group_by(RUN).agg(pl.len().cast(pl.UInt64).alias("accepted"))
    return runs.join(counts, on=RUN, how="left").select(
        *RUN, "level", "last_offset",
        log_time=pl.lit(0, pl.Int64).cast(pl.Datetime("ms", "UTC")),
        catalog_version=pl.col("version").cast(pl.UInt32),
        records=pl.col("records"),
        events=pl.col("accepted").fill_null(0),
        accepted=pl.col("accepted").fill_null(0),
        duplicates=pl.lit(0, pl.UInt64),
        conflicts=pl.lit(0, pl.UInt64),
        rejected=pl.lit(0, pl.UInt64),
    )  # fmt: skip


def _insert_usage(client: Client, rows: pl.DataFrame, level: int, rng: random.Random) -> None:
    """Some rows twice, as if two owners wrote them."""
    stored = rows.select(*USAGE_COLUMNS, *RUN, "last_offset").with_columns(
        pl.lit(level, pl.UInt8).alias("level"),
        pl.col("hour").dt.epoch("s").cast(pl.UInt32),
    )
    for some in (stored, stored.sample(fraction=0.3, seed=rng.randrange(1000))):
        if len(some):
            _insert(client, "meter_usage", some)


def _rolled_up(
    below: pl.DataFrame, level: int, chunk_records: dict[int, int], rng: random.Random | None
) -> pl.DataFrame:
    """The runs of a level that are made of whole runs below; with `rng` only some of them."""
    rows = []
    for (generation, partition, run), group in below.group_by(
        "generation", "partition", pl.col("run") // ROLL
    ):
        if len(group) == ROLL and (rng is None or rng.random() < 0.8):
            number = int(str(run))
            span = span_of(level, chunk_records[int(str(generation))])
            last, version = (number + 1) * span - 1, group["version"].min()
            rows.append((generation, partition, number, last, version, level, True, span))
    return pl.DataFrame(rows, below.schema, orient="row").sort(RUN)


def _merged(
    rows: pl.DataFrame, runs: pl.DataFrame, catalogs: dict[int, CompiledMeters]
) -> pl.DataFrame:
    """The totals of rolled-up runs, each of the meters that its catalog version knows."""
    above = rows.with_columns(pl.col("run") // ROLL)
    return pl.concat(
        merge(above.join(runs.filter(version=version), on=RUN, how="semi"), catalog, RUN, days=True)
        for version, catalog in catalogs.items()
    )
