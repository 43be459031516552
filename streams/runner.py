"""A lane at work: gathers records, steps the lane off the event loop, writes, then acknowledges."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import polars as pl
from clickhouse_connect.driver.client import Client

import sql
from catalog.metering.aggregate import CompiledMeters
from core.clock import monotonic_seconds
from core.errors import ConflictError
from db.clickhouse import connect_clickhouse
from streams.generation import Generation
from streams.index import DedupeIndex
from streams.lane import COUNTS, Lane
from streams.ledger import Ledger, load_ledger
from streams.records import Record, key_halves
from streams.settings import StreamSettings
from streams.sink import Sink, Stopped, until_done

_LOG = logging.getLogger(__name__)
_MILLIS = 1000


class Delivery(NamedTuple):
    """A record, and what to call on the event loop once its chunk is complete and durable."""

    record: Record
    acknowledge: Callable[[], None]


def open_lane(
    settings: StreamSettings,
    generation: Generation,
    partition: int,
    start: int,
    meters: CompiledMeters,
    stop: threading.Event,
) -> Lane:
    """A lane that goes on at offset `start`, with the keys held before it.

    Waits while a lagging replica shows fewer events than the ledger proves. Raises `ConflictError`
    when reading cannot start at `start`.
    """
    client = until_done(lambda: connect_clickhouse(settings.endpoints.clickhouse), stop)
    try:
        ledger = until_done(lambda: load_ledger(client, generation, partition), stop)
        before = ledger.before(start)
        now_ms = before["log_time_ms"] if before else 0
        index = DedupeIndex(generation.horizon_seconds * _MILLIS)
        lane = Lane(generation, partition, start, now_ms, index, meters)
        where = {"generation": generation.number, "partition": partition, "end": start}
        since = now_ms - generation.horizon_seconds * _MILLIS
        proved = ledger.rows.filter(
            (pl.col("log_time_ms") >= since) & (pl.col("run") * generation.chunk_records < start)
        )
        if not len(proved):
            return lane
        where["first"] = int(proved["run"][0]) * generation.chunk_records
        while True:
            keys = until_done(lambda: _query(client, "keys_of_partition", where), stop)
            if _complete(keys, proved, generation.chunk_records):
                break
            _LOG.warning("partition %d: ClickHouse shows less than it proved; waiting", partition)
            if stop.wait(1.0):
                raise Stopped
        index.hold(
            key_halves(keys["key"]),
            keys["content_hash"].to_numpy(),
            keys["log_time_ms"].to_numpy(),
        )
        if before and start % generation.chunk_records:
            where["first"] = start - start % generation.chunk_records
            head = until_done(lambda: _query(client, "events_of_chunk", where), stop)
            lane.resume([before[name] for name in COUNTS], head)
        _LOG.info("partition %d: starts at offset %d, holds %d keys", partition, start, len(index))
        return lane
    finally:
        client.close()


def _query(client: Client, name: str, parameters: dict[str, int]) -> pl.DataFrame:
    table = client.query_arrow(sql.load(f"clickhouse/queries/{name}"), parameters=parameters)
    return pl.DataFrame(pl.from_arrow(table))


def _complete(keys: pl.DataFrame, proved: pl.DataFrame, chunk_records: int) -> bool:
    """Whether the keys loaded per chunk are as many as the ledger's accepted events."""
    found = keys.group_by(run=pl.col("offset") // chunk_records).len()
    both = proved.join(found, on="run", how="left").with_columns(pl.col("len").fill_null(0))
    over = both.filter(pl.col("len") > pl.col("accepted"))
    if len(over):
        raise ConflictError(f"usage_events holds more than the ledger proves: {over.to_dicts()}")
    return bool((both["len"] == both["accepted"]).all())


class LaneRunner:
    """Runs one lane until it is stopped; its failure is handed to `on_failure`."""

    def __init__(
        self,
        settings: StreamSettings,
        sink: Sink,
        generation: Generation,
        partition: int,
        pool: ThreadPoolExecutor,
        meters: Callable[[], CompiledMeters],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._settings, self._sink, self._generation = settings, sink, generation
        self._partition, self._pool, self._meters = partition, pool, meters
        self._on_failure = on_failure
        self._waiting: deque[Delivery] = deque()
        self._waiting_bytes = 0
        self._unacknowledged: deque[Delivery] = deque()
        self._changed = asyncio.Event()
        self._space = asyncio.Event()
        self._space.set()
        self._stop = threading.Event()
        self._lane: Lane | None = None
        self._task = asyncio.create_task(self._run(), name=f"lane-{partition}")

    async def put(self, delivery: Delivery) -> None:
        """Take a record over; waits while the lane has enough to do."""
        await self._space.wait()
        self._waiting.append(delivery)
        self._waiting_bytes += len(delivery.record.value or b"")
        if self._full():
            self._space.clear()
        self._changed.set()

    def stop(self) -> None:
        """Drop the lane: nothing is acknowledged any more.

        A write under way may still finish; it writes what the next owner writes, too.
        """
        self._stop.set()
        self._changed.set()
        self._space.set()

    def _full(self) -> bool:
        return (
            len(self._waiting) >= self._settings.batch_records_max
            or self._waiting_bytes >= self._settings.batch_bytes_max
        )

    async def _run(self) -> None:
        try:
            while not self._stop.is_set():
                await self._gather()
                batch = self._take()
                if batch:
                    await self._work(batch)
        except Stopped:
            return
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - panics of Polars are no `Exception`
            if not self._stop.is_set():
                self._on_failure(error)

    async def _gather(self) -> None:
        """Wait for the first record, then for a full chunk or the flush interval."""
        while not self._waiting and not self._stop.is_set():
            self._changed.clear()
            await self._changed.wait()
        deadline = monotonic_seconds() + self._settings.flush_interval_seconds
        while not self._stop.is_set() and not self._full() and not self._completes_chunk():
            rest = deadline - monotonic_seconds()
            if rest <= 0:
                return
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), rest)
            except TimeoutError:
                return

    def _completes_chunk(self) -> bool:
        chunk = self._generation.chunk_records
        last = self._waiting[-1].record.offset
        return last // chunk > self._waiting[0].record.offset // chunk or (last + 1) % chunk == 0

    def _take(self) -> list[Delivery]:
        batch = list(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        self._space.set()
        return batch

    async def _work(self, batch: list[Delivery]) -> None:
        records = [delivery.record for delivery in batch]
        loop = asyncio.get_running_loop()
        commit = await loop.run_in_executor(self._pool, self._step, records)
        if self._stop.is_set():
            return
        self._unacknowledged.extend(
            Delivery(delivery.record._replace(value=None), delivery.acknowledge)
            for delivery in batch
        )
        while self._unacknowledged and self._unacknowledged[0].record.offset < commit:
            self._unacknowledged.popleft().acknowledge()

    def _step(self, records: list[Record]) -> int:
        """In a thread: step the lane and write; returns up to where chunks are complete."""
        if self._lane is None:
            self._lane = open_lane(
                self._settings, self._generation, self._partition, records[0].offset,
                self._meters(), self._stop,
            )  # fmt: skip
        commit = -1
        for flush in self._lane.step(records, self._meters()):
            if not until_done(self._sink.right_topic, self._stop):
                raise ConflictError(
                    f"{self._generation.topic} is not the topic that generation"
                    f" {self._generation.number} was bound to: nothing more is written"
                )
            self._sink.write(self._partition, flush, self._stop)
            commit = max(commit, flush.commit_offset)
        return commit


def start_offsets(
    settings: StreamSettings, generation: Generation, first_offsets: dict[int, int]
) -> dict[int, int]:
    """Where to start reading each partition, given the oldest offset that the broker still has."""
    client = connect_clickhouse(settings.endpoints.clickhouse)
    try:
        ledgers: dict[int, Ledger] = {
            partition: load_ledger(client, generation, partition) for partition in first_offsets
        }
    finally:
        client.close()
    return {
        partition: ledgers[partition].start(first) for partition, first in first_offsets.items()
    }
