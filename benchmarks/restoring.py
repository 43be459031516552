"""How fast a partition has its keys again after a restart: from its own files, from ClickHouse."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from benchmarks.errors import BenchmarkError
from benchmarks.installation import Installation, load_sql
from benchmarks.key_stores import BATCH, HORIZON_MS, batch_keys
from core.clock import monotonic_seconds
from db.clickhouse import connect_clickhouse
from streams.generation import Generation
from streams.index import Binding, DedupeIndex, Folder
from streams.loading import load_keys

_BINDING: Final = Binding("bench", 1, 0, 64, HORIZON_MS)
_INSERT_EVENTS: Final = 1_000_000
_ENVELOPE_EVENTS: Final = 1_000
_CHUNK_RECORDS: Final = 64


def restore_files(keys: int, hot_keys_max: int, folder: Path) -> dict[str, object]:
    """Keys a second from local files; beyond `hot_keys_max` they are runs."""
    index = DedupeIndex(HORIZON_MS, hot_keys_max, Folder(folder), _BINDING)
    chunks = -(-keys // BATCH)
    for chunk in range(chunks):
        batch, times = batch_keys(chunk)[: BATCH // 2], np.full(BATCH // 2, chunk, np.int64)
        index.judge(batch, batch[:, 1].copy(), times, np.ones(len(batch), np.bool_))
        index.note(np.full(len(batch), chunk, np.int64), batch, batch[:, 1].copy(), times)
        index.prove(chunk + 1, {chunk: len(batch)})
    index.close()
    proved = pl.DataFrame({"run": range(chunks), "accepted": [BATCH // 2] * chunks})
    began = monotonic_seconds()
    index = DedupeIndex(HORIZON_MS, hot_keys_max, Folder(folder), _BINDING)
    if index.restore(proved) != chunks:
        raise BenchmarkError("the index did not believe its own files")
    return _figures(len(index), monotonic_seconds() - began, index)


def restore_clickhouse(where: Installation, keys: int) -> dict[str, object]:
    """Keys a second from `usage_events`, in one partition."""
    client = connect_clickhouse(where.endpoints.clickhouse)
    try:
        for first in range(0, keys, _INSERT_EVENTS):
            many = min(_INSERT_EVENTS, keys - first)
            client.command(
                load_sql("insert_numbered_events"), parameters={"first": first, "many": many}
            )
        per_chunk = _ENVELOPE_EVENTS * _CHUNK_RECORDS
        chunks = keys // per_chunk
        proved = pl.DataFrame(
            {
                "run": range(chunks),
                "last_offset": [(run + 1) * _CHUNK_RECORDS - 1 for run in range(chunks)],
                "accepted": [per_chunk] * chunks,
            }
        )
        generation = Generation(
            1, "bench", "bench", 1, _CHUNK_RECORDS, HORIZON_MS // 1000
        )  # fmt: skip
        index = DedupeIndex(HORIZON_MS, keys, Folder(where.folder / "index"), _BINDING)
        began = monotonic_seconds()
        load_keys(client, index, generation, 0, proved, threading.Event())
        return _figures(len(index), monotonic_seconds() - began, index)
    finally:
        client.close()


def _figures(keys: int, seconds: float, index: DedupeIndex) -> dict[str, object]:
    index.close()
    return {
        "keys": keys,
        "seconds": round(seconds, 3),
        "keys_per_second": round(keys / seconds),
    }
