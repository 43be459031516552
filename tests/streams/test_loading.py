"""Keys from ClickHouse: rows written twice, voids, a replica that lags, rows that nobody proved."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client

from core.endpoints import Endpoints
from core.errors import ConflictError
from db.clickhouse import connect_clickhouse
from streams.generation import Generation
from streams.index import ACCEPTED, DUPLICATE, DedupeIndex
from streams.loading import load_keys, open_index
from streams.settings import IndexSettings, StreamSettings

CHUNK_RECORDS, RECORD_EVENTS = 2, 5
TIME_US = 1_767_225_600_000_000
GENERATION = Generation(1, "usage.events", "id", 1, CHUNK_RECORDS, 3_600)
VOID_OFFSET = 3


@pytest.fixture
def client(installation: Endpoints) -> Iterator[Client]:
    client = connect_clickhouse(installation.clickhouse)
    yield client
    client.close()


def key_of(offset: int, row: int) -> tuple[int, int]:
    return offset * 2**50 + 1, 2**64 - 1 - row


def rows_of(offset: int) -> pa.Table:
    """The accepted rows of one record; of one record all of them are voids of the one before."""
    sign = -1 if offset == VOID_OFFSET else 1
    target = offset - 1 if offset == VOID_OFFSET else offset
    keys = [
        b"".join(half.to_bytes(8) for half in key_of(target, row)) for row in range(RECORD_EVENTS)
    ]
    micros = pa.timestamp("us", "UTC")
    fixed: dict[str, tuple[object, pa.DataType]] = {
        "tenant_id": ("t", pa.string()), "type": ("call", pa.string()),
        "subject": ("s", pa.string()), "hour": (TIME_US // 10**6, pa.timestamp("s", "UTC")),
        "generation": (1, pa.uint16()), "partition": (0, pa.uint16()),
        "offset": (offset, pa.uint64()), "id": ("i", pa.string()), "source": ("s", pa.string()),
        "time": (TIME_US, micros), "received_at": (TIME_US, micros),
        "log_time": (TIME_US // 1000 + offset, pa.timestamp("ms", "UTC")),
        "data": ("{}", pa.string()), "sign": (sign, pa.int8()),
    }  # fmt: skip
    columns = {
        name: pa.array([value] * RECORD_EVENTS, kind) for name, (value, kind) in fixed.items()
    }
    columns["row"] = pa.array(range(RECORD_EVENTS), pa.uint32())
    columns["key"] = pa.array(keys, pa.binary(16))
    columns["content_hash"] = pa.array([7 + row for row in range(RECORD_EVENTS)], pa.uint64())
    return pa.table(columns)


def proved(records: int) -> pl.DataFrame:
    """The ledger of a log of so many records."""
    runs = range(-(-records // CHUNK_RECORDS))
    ends = [min(records, (run + 1) * CHUNK_RECORDS) for run in runs]
    accepted = [
        (end - run * CHUNK_RECORDS) * RECORD_EVENTS for run, end in zip(runs, ends, strict=True)
    ]
    return pl.DataFrame(
        {"run": list(runs), "last_offset": [end - 1 for end in ends], "accepted": accepted},
        {"run": pl.UInt64, "last_offset": pl.UInt64, "accepted": pl.UInt64},
    )


def opened(folder: Path, hot_keys_max: int = 1_000) -> DedupeIndex:
    endpoints = Endpoints("k", "c", "p")
    index = IndexSettings(hot_keys_max=hot_keys_max)
    return open_index(StreamSettings(endpoints, "a", folder, index=index), GENERATION, 0)


def verdicts(index: DedupeIndex, offset: int) -> set[int]:
    keys = np.array([key_of(offset, row) for row in range(RECORD_EVENTS)], np.uint64)
    found = index.judge(
        keys, np.arange(7, 7 + RECORD_EVENTS, dtype=np.uint64),
        np.full(RECORD_EVENTS, TIME_US // 1000 + 100, np.int64), np.ones(RECORD_EVENTS, np.bool_),
    )  # fmt: skip
    return {int(code) for code in found}


@pytest.mark.parametrize("hot_keys_max", [10, 1_000])
def test_every_key_is_held_once_from_clickhouse_and_then_from_local_files(
    client: Client, tmp_path: Path, hot_keys_max: int
) -> None:
    for offset in (5, 0, 3, 1, 2, 4, 6, 3, 0):  # in any order, some twice
        client.insert_arrow("usage_events", rows_of(offset))
    index = opened(tmp_path, hot_keys_max)
    load_keys(client, index, GENERATION, 0, proved(7), threading.Event())
    index.close()
    client.command("TRUNCATE TABLE usage_events")
    client.insert_arrow("usage_events", rows_of(6))  # of the open chunk: not in local files
    index = opened(tmp_path, hot_keys_max)
    load_keys(client, index, GENERATION, 0, proved(7), threading.Event())
    for offset in range(7):
        expected = ACCEPTED if offset == VOID_OFFSET else DUPLICATE
        assert verdicts(index, offset) == {expected}
    index.close()


def test_it_waits_until_the_replica_shows_all_that_is_proved(
    client: Client, tmp_path: Path
) -> None:
    client.insert_arrow("usage_events", rows_of(0))
    index = opened(tmp_path)
    arguments = (client, index, GENERATION, 0, proved(2), threading.Event())
    loading = threading.Thread(target=load_keys, args=arguments)
    loading.start()
    loading.join(1.5)
    assert loading.is_alive()
    client.insert_arrow("usage_events", rows_of(1))
    loading.join(10)
    assert not loading.is_alive()
    assert verdicts(index, 1) == {DUPLICATE}
    index.close()


def test_more_than_was_proved_is_refused(client: Client, tmp_path: Path) -> None:
    client.insert_arrow("usage_events", rows_of(0))
    client.insert_arrow("usage_events", rows_of(1))
    index = opened(tmp_path)
    less = proved(2).with_columns(pl.col("accepted") - 1)
    with pytest.raises(ConflictError, match="holds more than the ledger proves"):
        load_keys(client, index, GENERATION, 0, less, threading.Event())
    index.close()
