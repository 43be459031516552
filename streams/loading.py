"""The keys of a partition at its start: from local files, and what they lack from ClickHouse."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import zip_longest
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
from clickhouse_connect.driver.client import Client

import sql
from core.errors import ConflictError
from streams.generation import Generation
from streams.index import Binding, DedupeIndex, Folder
from streams.settings import StreamSettings
from streams.sink import Stopped, until_done

_LOG = logging.getLogger(__name__)
KEYS_AT_A_TIME: Final = 2_000_000
"""About so many keys are loaded by one query."""

_MILLIS: Final = 1000
_WAIT_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 5.0
_ROW_BITS: Final = 32

Loaded = tuple[
    npt.NDArray[np.int64], npt.NDArray[np.uint64], npt.NDArray[np.uint64], npt.NDArray[np.int64]
]
"""Runs, keys, contents and times of keys in log order."""


def open_index(settings: StreamSettings, generation: Generation, partition: int) -> DedupeIndex:
    """An empty index for a partition, with a folder for local files where there is one to be had.

    Close it before the next owner of the partition opens its own, or that one finds no files.
    """
    horizon_ms = generation.horizon_seconds * _MILLIS
    binding = Binding(
        generation.topic_id, generation.number, partition, generation.chunk_records, horizon_ms
    )
    folder = None
    if settings.index.enabled:
        parent = settings.data_dir / settings.index.folder / f"{generation.number}-{partition}"
        try:
            folder = Folder(parent, _PATIENCE_SECONDS)
        except OSError as error:
            _LOG.warning("partition %d works without local files: %s", partition, error)
    return DedupeIndex(horizon_ms, settings.index.hot_keys_max, folder, binding)


def load_keys(
    client: Client,
    index: DedupeIndex,
    generation: Generation,
    partition: int,
    proved: pl.DataFrame,
    stop: threading.Event,
) -> None:
    """Hold the keys that the chunks of `proved` accepted.

    proved: run, last_offset, accepted of consecutive chunks within the horizon, of which the last
    one may be open. Waits while a lagging replica shows fewer events than the ledger proves. Raises
    `ConflictError` when it shows more.
    """
    if not len(proved):
        return
    chunk = generation.chunk_records
    complete = pl.col("last_offset") == (pl.col("run") + 1) * chunk - 1
    first = index.restore(proved.filter(complete))
    _LOG.info(
        "partition %d: %d keys from local files; chunks from %d on come from ClickHouse",
        partition, len(index), first,
    )  # fmt: skip
    stretches = list(_stretches(proved.filter(pl.col("run") >= first)))
    with ThreadPoolExecutor(1, f"keys-{partition}") as ahead:  # ClickHouse works while we do
        ask = partial(_load, client, generation, partition, stop)
        waiting = deque(ahead.submit(ask, rows) for rows in stretches[:1])
        for rows, following in zip_longest(stretches, stretches[1:]):
            loaded = waiting.popleft().result()
            if following is not None:
                waiting.append(ahead.submit(ask, following))
            index.hold(*loaded[1:])
            index.note(*loaded)
            done = dict(rows.filter(complete).select("run", "accepted").rows())
            if done:
                index.prove(max(done) + 1, done)


def _stretches(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Consecutive chunks, of about `KEYS_AT_A_TIME` keys together."""
    number = rows["accepted"].cum_sum().cast(pl.Int64) // KEYS_AT_A_TIME
    for _, part in rows.with_columns(stretch=number).group_by("stretch", maintain_order=True):
        yield part


def _load(
    client: Client,
    generation: Generation,
    partition: int,
    stop: threading.Event,
    rows: pl.DataFrame,
) -> Loaded:
    chunk = generation.chunk_records
    first = int(rows["run"][0])
    where = {
        "generation": generation.number,
        "partition": partition,
        "first": first * chunk,
        "end": int(rows["last_offset"][-1]) + 1,
    }
    text = sql.load("clickhouse/queries/keys_of_partition")
    while True:
        table = until_done(lambda: client.query_arrow(text, parameters=where), stop)
        offset = _numbers(table, "offset") - np.uint64(first * chunk)
        position = (offset << np.uint64(_ROW_BITS)) | _numbers(table, "row").astype(np.uint64)
        order = np.argsort(position)
        once = np.ones(len(order), np.bool_)
        once[1:] = np.diff(position[order]) > 0  # written twice, it may come twice
        order = order[once]
        runs = offset[order].astype(np.int64) // chunk
        if _complete(np.bincount(runs, minlength=len(rows)), rows):
            break
        _LOG.warning("partition %d: ClickHouse shows less than it proved; waiting", partition)
        if stop.wait(_WAIT_SECONDS):
            raise Stopped
    holds = _numbers(table, "sign")[order] > 0  # a void holds no key
    chosen = order[holds]
    return (
        runs[holds] + first, _halves(table)[chosen], _numbers(table, "content_hash")[chosen],
        _numbers(table, "log_time_ms")[chosen],
    )  # fmt: skip


def _numbers(table: pa.Table, name: str) -> npt.NDArray[Any]:
    return table.column(name).to_numpy()


def _halves(table: pa.Table) -> npt.NDArray[np.uint64]:
    """The keys as uint64 (n, 2), the high half first."""
    parts = [
        np.frombuffer(memoryview(data), np.dtype(">u8"), 2 * len(part), 16 * part.offset)
        for part in table.column("key").chunks
        if (data := part.buffers()[1]) is not None
    ]
    raw = np.concatenate(parts) if parts else np.empty(0, np.dtype(">u8"))
    return raw.astype(np.uint64).reshape(-1, 2)


def _complete(found: npt.NDArray[np.int64], rows: pl.DataFrame) -> bool:
    """Whether the rows loaded per chunk are as many as the ledger's accepted events."""
    accepted = rows["accepted"].to_numpy().astype(np.int64)
    over = rows.filter(pl.Series(found > accepted))
    if len(over):
        raise ConflictError(f"usage_events holds more than the ledger proves: {over.to_dicts()}")
    return bool((found == accepted).all())
