"""A stored log of small chunks, so that few records reach every level; and its tables as bytes."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial

from clickhouse_connect.driver.client import Client

from catalog.snapshot_content import CatalogSnapshot
from core.endpoints import Endpoints
from db.clickhouse import connect_clickhouse
from streams.generation import Generation, load_generation, store_generation
from streams.index import DedupeIndex
from streams.jobs.compact import compact
from streams.jobs.work import Tally
from streams.lane import Lane
from streams.sink import Sink
from tests.streams.log_oracle import HORIZON_MS, LogRecord
from tests.streams.logs import METERS, compiled, to_records

TABLES = ("meter_usage", "stream_ledger", "usage_events", "stream_conflicts", "stream_ends")


def snapshot(version: int = len(METERS)) -> CatalogSnapshot:
    return CatalogSnapshot(version, METERS[:version])


def set_chunks(endpoints: Endpoints, chunk_records: int) -> Generation:
    """Give the generation of an empty installation another chunk size."""
    with closing(connect_clickhouse(endpoints.clickhouse)) as client:
        made = load_generation(client)
        assert made is not None
        client.command("TRUNCATE TABLE stream_generations")
        made = replace(made, chunk_records=chunk_records)
        store_generation(client, made)
    return made


def store(
    endpoints: Endpoints,
    log: Sequence[LogRecord],
    cuts: Sequence[tuple[int, int]],
    chunk_records: int,
) -> None:
    """Write a log to partition 0 as a worker does.

    cuts: (records, catalog version): each version from the end of the one before up to its records.
    """
    with closing(connect_clickhouse(endpoints.clickhouse)) as client:
        made = load_generation(client)
    assert made is not None
    one = replace(made, partitions=1, chunk_records=chunk_records)
    sink, stop = Sink(endpoints, made), threading.Event()
    index, first = DedupeIndex(HORIZON_MS), compiled(cuts[0][1])
    lane = Lane(one, 0, 0, 0, index, first, partial(sink.find_targets, 0))
    records, start = to_records(list(log)), 0
    for end, version in cuts:
        if end > start:
            for flush in lane.step(records[start:end], compiled(version)):
                sink.write(0, flush, stop)
        start = max(start, end)
    sink.close()


def random_cuts(rng: random.Random, records: int) -> list[tuple[int, int]]:
    """Catalog versions 1 to 4 that come into use somewhere, not at chunk ends."""
    ends = sorted(rng.randrange(1, records) for _ in range(len(METERS) - 1))
    return list(zip([*ends, records], range(1, len(METERS) + 1), strict=True))


def compacted(endpoints: Endpoints, version: int = len(METERS)) -> Tally:
    return compact(endpoints.clickhouse, snapshot(version))


def table_bytes(client: Client, name: str) -> bytes:
    """Every row of a table, each once, in one order."""
    query = f"SELECT * FROM {name} FINAL ORDER BY ALL"
    return bytes(client.raw_query(query, fmt="RowBinary"))


def all_bytes(endpoints: Endpoints) -> dict[str, bytes]:
    with closing(connect_clickhouse(endpoints.clickhouse)) as client:
        return {name: table_bytes(client, name) for name in TABLES}


def rows(endpoints: Endpoints, query: str) -> list[tuple[object, ...]]:
    with closing(connect_clickhouse(endpoints.clickhouse)) as client:
        return [tuple(row) for row in client.query(query).result_rows]


def command(endpoints: Endpoints, statement: str) -> None:
    with closing(connect_clickhouse(endpoints.clickhouse)) as client:
        client.command(statement, settings={"mutations_sync": 2})


def empty(endpoints: Endpoints) -> None:
    for name in TABLES:
        command(endpoints, f"TRUNCATE TABLE {name}")
