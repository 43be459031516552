from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import given
from hypothesis import strategies as st

from core.endpoints import Endpoints
from core.events import partition_of
from db.clickhouse import connect_clickhouse
from streams import older_keys
from streams.generation import Generation
from streams.index import ACCEPTED, DUPLICATE, DedupeIndex
from streams.older_keys import FOR_EVER_MS, OlderKeys, windows
from streams.records import key_halves
from streams.sink import Stopped

HORIZON_SECONDS = 35 * 24 * 3600
NOW = datetime(2026, 11, 1, tzinfo=UTC)
NOW_MS = 1_793_491_200_000
PARTITIONS = 7
NEWER = Generation(3, "usage.events.3", "id", PARTITIONS, 64, HORIZON_SECONDS)


@given(st.integers(0, 10**12), st.integers(0, 10**10), st.integers(0, 10**8))
def test_windows_follow_each_other_without_a_gap_and_without_an_end(
    since_ms: int, span_ms: int, keys: int
) -> None:
    found = list(windows(since_ms, since_ms + span_ms, keys))
    assert found[0][0] == since_ms
    assert found[-1][1] == FOR_EVER_MS
    assert all(first[1] == second[0] for first, second in pairwise(found))
    assert all(start < end for start, end in found)


@pytest.fixture
def client(installation: Endpoints) -> Iterator[Client]:
    opened = connect_clickhouse(installation.clickhouse)
    yield opened
    opened.close()


def store(client: Client, keys: list[bytes], ages: list[timedelta]) -> None:
    """Accepted events of generations 1 and 2, and the ledger rows that prove them."""
    many = len(keys)
    generations = [1 + number % 2 for number in range(many)]
    times = [NOW - age for age in ages]
    events = {
        "tenant_id": ["t"] * many,
        "type": ["call"] * many,
        "subject": ["s"] * many,
        "hour": [time.replace(minute=0, second=0, microsecond=0) for time in times],
        "generation": generations,
        "partition": [0] * many,
        "offset": list(range(many)),
        "row": [0] * many,
        "sign": [1] * many,
        "key": pa.array(keys, pa.binary(16)),
        "content_hash": pa.array(range(many), pa.uint64()),
        "time": times,
        "log_time": times,
        "data": [b"{}"] * many,
    }
    client.insert_arrow("usage_events", pa.table(events))
    facts = {
        "generation": [1, 2],
        "topic": ["a", "b"],
        "topic_id": ["1", "2"],
        "partitions": [1, 1],
        "chunk_records": [1000, 1000],
        "horizon_seconds": [HORIZON_SECONDS] * 2,
    }
    client.command("TRUNCATE TABLE stream_generations")
    client.insert_arrow("stream_generations", pa.table(facts))
    prove(client, generations.count(1), generations.count(2))


def prove(client: Client, first: int, second: int) -> None:
    ledger = {
        "generation": [1, 2],
        "partition": [0, 0],
        "level": [0, 0],
        "run": [0, 0],
        "last_offset": [999, 999],
        "log_time": [NOW, NOW],
        "catalog_version": [1, 1],
        **{name: [0, 0] for name in ("records", "events", "duplicates", "conflicts", "rejected")},
        "accepted": [first, second],
    }
    client.insert_arrow("stream_ledger", pa.table(ledger))


def test_each_key_of_the_horizon_is_held_in_the_partition_where_it_belongs(
    client: Client, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(older_keys, "KEYS_AT_A_TIME", 10)
    rng = random.Random(seed)
    keys = [rng.randbytes(16) for _ in range(297)] + [bytes(16), b"\xff" * 16, bytes(15) + b"\x07"]
    expired = [timedelta(seconds=HORIZON_SECONDS + 1)] * 40
    ages = expired + [timedelta(seconds=rng.uniform(0, HORIZON_SECONDS)) for _ in keys[40:]]
    store(client, keys, ages)
    older, held = OlderKeys(NEWER), 0
    for partition in range(PARTITIONS):
        index = DedupeIndex(HORIZON_SECONDS * 1000)
        held += older.hold(client, index, partition, NOW_MS, threading.Event())
        verdicts = index.judge(
            key_halves(pl.Series(keys, dtype=pl.Binary)),
            np.arange(len(keys), dtype=np.uint64),
            np.full(len(keys), NOW_MS, np.int64),
            np.ones(len(keys), np.bool_),
        )
        mine = [
            at >= 40 and partition_of(key, PARTITIONS) == partition for at, key in enumerate(keys)
        ]
        expected = [DUPLICATE if known else ACCEPTED for known in mine]
        assert verdicts.tolist() == expected, f"--seed {seed} partition {partition}"
    assert held == len(keys) - 40


def test_it_waits_while_older_events_are_missing(client: Client) -> None:
    store(client, [bytes(16), b"\x01" * 16], [timedelta(0)] * 2)
    prove(client, 1, 2)
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    with pytest.raises(Stopped):
        OlderKeys(NEWER).hold(client, DedupeIndex(1), 0, NOW_MS, stop)


def test_the_first_generation_asks_nothing() -> None:
    only = Generation(1, "usage.events", "id", 4, 64, HORIZON_SECONDS)
    nowhere: Client = None  # type: ignore[assignment]  # it must not be asked
    assert OlderKeys(only).hold(nowhere, DedupeIndex(1), 0, NOW_MS, threading.Event()) == 0
