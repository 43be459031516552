"""A lane at work: gathers records, steps the lane off the event loop, writes, then acknowledges."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import polars as pl
from clickhouse_connect.driver.client import Client

import sql
from catalog.metering.aggregate import CompiledMeters
from core.clock import monotonic_seconds
from core.errors import ConflictError, DependencyDownError
from core.faults import reach
from db.clickhouse import connect_clickhouse
from streams.generation import Generation
from streams.index import DedupeIndex
from streams.lane import COUNTS, Flush, Lane
from streams.ledger import Ledger, load_ledger
from streams.loading import load_keys, open_index
from streams.older_keys import OlderKeys
from streams.poison import HOW_TO_DECIDE, LaneGuard
from streams.records import Record
from streams.settings import StreamSettings
from streams.sink import Sink, Stopped, until_done
from streams.voids import FindTargets
from streams.watch import NOTHING_SENT, LaneWatch, Sent

_LOG = logging.getLogger(__name__)
_MILLIS = 1000
_ASK_SECONDS = 1.0
_ALARM_SECONDS = 60.0


class Delivery(NamedTuple):
    """A record, and what to call on the event loop once its chunk is complete and durable."""

    record: Record
    acknowledge: Callable[[], None]
    sent: Sent = NOTHING_SENT


def open_lane(
    settings: StreamSettings,
    generation: Generation,
    partition: int,
    start: int,
    meters: CompiledMeters,
    find_targets: FindTargets,
    older: OlderKeys,
    first_ms: int,
    stop: threading.Event,
) -> Lane:
    """A lane that goes on at offset `start`, with the keys held before it.

    `first_ms` is the broker's time of the record at `start`.
    Waits while a lagging replica shows fewer events than the ledger proves. Raises `ConflictError`
    when reading cannot start at `start`.
    """
    client = until_done(lambda: connect_clickhouse(settings.endpoints.clickhouse), stop)
    index: DedupeIndex | None = None
    try:
        ledger = until_done(lambda: load_ledger(client, generation, partition), stop)
        before = ledger.before(start)
        now_ms = before["log_time_ms"] if before else 0
        index = open_index(settings, generation, partition)
        lane = Lane(generation, partition, start, now_ms, index, meters, find_targets)
        end = until_done(lambda: _end_of(client, generation, partition), stop)
        lane.ended = end is not None and start >= end
        older.hold(client, index, partition, max(now_ms, first_ms), stop)
        where = {"generation": generation.number, "partition": partition, "end": start}
        since = now_ms - generation.horizon_seconds * _MILLIS
        proved = ledger.rows.filter(
            (pl.col("log_time_ms") >= since) & (pl.col("run") * generation.chunk_records < start)
        )
        load_keys(client, index, generation, partition, proved, stop)
        if before and start % generation.chunk_records:
            where["first"] = start - start % generation.chunk_records
            head = until_done(lambda: _head(client, where, before["accepted"]), stop)
            lane.resume([before[name] for name in COUNTS], head)
    except BaseException:
        if index is not None:
            index.close()
        raise
    else:
        _LOG.info("partition %d: starts at offset %d, holds %d keys", partition, start, len(index))
        return lane
    finally:
        client.close()


def _end_of(client: Client, generation: Generation, partition: int) -> int | None:
    """The offset after the end marker of a partition, if a lane came to it.

    Where the marker fills its chunk, reading starts behind it, at what is not part of the log.
    """
    rows = client.query(sql.load("clickhouse/queries/stream_ends")).result_rows
    ends = {(number, place): int(end) for number, place, end in rows}
    return ends.get((generation.number, partition))


def _head(client: Client, where: dict[str, int], accepted: int) -> pl.DataFrame:
    """The events of the head of a chunk. Raises `DependencyDownError` when not all are shown."""
    query = sql.load("clickhouse/queries/events_of_chunk")
    head = pl.DataFrame(pl.from_arrow(client.query_arrow(query, parameters=where)))
    if len(head) != accepted:
        raise DependencyDownError(f"ClickHouse shows {len(head)} events of {accepted} it proved")
    return head


class LaneRunner:
    """Runs one lane until it is stopped; its failure is handed to `on_failure`.

    `halted_at` is the offset of a record that it may not process, until somebody decides about it;
    meanwhile it asks by `set_flow` that the broker sends nothing more of this partition.
    """

    def __init__(
        self,
        settings: StreamSettings,
        sink: Sink,
        generation: Generation,
        partition: int,
        pool: ThreadPoolExecutor,
        meters: Callable[[], CompiledMeters],
        on_failure: Callable[[BaseException], None],
        guard: LaneGuard,
        set_flow: Callable[[bool], None],
        older: OlderKeys,
    ) -> None:
        self._settings, self._sink, self._generation = settings, sink, generation
        self._partition, self._pool, self._meters = partition, pool, meters
        self._on_failure, self._guard, self._set_flow = on_failure, guard, set_flow
        self._older = older
        self.halted_at: int | None = None
        self._waiting: deque[Delivery] = deque()
        self._waiting_bytes = 0
        self._unacknowledged: deque[Delivery] = deque()
        self._changed = asyncio.Event()
        self._space = asyncio.Event()
        self._space.set()
        self._stop = threading.Event()
        self._lane: Lane | None = None
        self.watch = LaneWatch(generation.number, partition, generation.chunk_records)
        self._task = asyncio.create_task(self._run(), name=f"lane-{partition}")

    async def put(self, delivery: Delivery) -> None:
        """Take a record over; waits while the lane has enough to do."""
        await self._space.wait()
        if self._lane is not None and self._lane.ended:
            return  # behind the end of the generation: not part of the log
        self._waiting.append(delivery)
        if self.watch.facts.oldest_ms is None:
            self.watch.facts.oldest_ms = delivery.record.timestamp_ms
        self._waiting_bytes += len(delivery.record.value or b"")
        if self._full() and self.halted_at is None:  # halted, it must not hold up the others
            self._space.clear()
        self._changed.set()

    def stop(self) -> None:
        """Drop the lane: nothing is acknowledged any more.

        A write under way may still finish; it writes what the next owner writes, too.
        """
        self._stop.set()
        self._changed.set()
        self._space.set()
        self.watch.close()

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
                if self.halted_at is not None:
                    await self._wait_for_decision(self.halted_at)
        except Stopped:
            pass
        except asyncio.CancelledError:
            raise  # the process ends, perhaps in the middle of a step
        except BaseException as error:  # noqa: BLE001 - panics of Polars are no `Exception`
            if not self._stop.is_set():
                self._on_failure(error)
        if self._lane is not None:  # no step is under way: each was awaited
            self._lane.close()

    async def _gather(self) -> None:
        """Wait for the first record, then for a full chunk or the flush interval.

        The very first record does not wait: opening the lane gives the others time to come.
        """
        while not self._waiting and not self._stop.is_set():
            self._changed.clear()
            await self._changed.wait()
        if self._lane is None:
            return
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
        loop = asyncio.get_running_loop()
        commit, done = await loop.run_in_executor(self._pool, self._watched_step, batch)
        reach("after_step_before_ack")
        if self._stop.is_set():
            return
        self._unacknowledged.extend(
            Delivery(delivery.record._replace(value=None), delivery.acknowledge)
            for delivery in batch[:done]
        )
        held = len(self._unacknowledged)
        while self._unacknowledged and self._unacknowledged[0].record.offset < commit:
            self._unacknowledged.popleft().acknowledge()
        self.watch.waits(
            self._waiting[0].record.timestamp_ms if self._waiting else None,
            uncommitted=bool(self._unacknowledged),
            moved=len(self._unacknowledged) < held,
        )
        if done < len(batch):
            self.halted_at = batch[done].record.offset
            self.watch.facts.halted = True
            self._waiting.extendleft(reversed(batch[done:]))
            self._space.set()

    async def _wait_for_decision(self, offset: int) -> None:
        """Stand still before a record at which workers died, until an operator decides."""
        where = f"{self._generation.number}/{self._partition}/{offset}"
        loop = asyncio.get_running_loop()
        repeat_at = 0.0
        while not self._stop.is_set():
            if monotonic_seconds() >= repeat_at:
                _LOG.error("partition %d is halted: %s", self._partition, HOW_TO_DECIDE % where)
                repeat_at = monotonic_seconds() + _ALARM_SECONDS
            self._set_flow(False)  # each time: a rebalance lets everything flow again
            await asyncio.sleep(_ASK_SECONDS)
            still = partial(until_done, partial(self._guard.still_halted, offset), self._stop)
            if not await loop.run_in_executor(self._pool, still):
                break
        if not self._stop.is_set():
            _LOG.warning("partition %d goes on at offset %d", self._partition, offset)
            self.halted_at = None
            self.watch.facts.halted = False
            self._set_flow(True)

    def _find_targets(self, keys: pl.Series, before: int) -> pl.DataFrame:
        with self._guard.watch.outside(self._partition):
            return until_done(
                lambda: self._sink.find_targets(self._partition, keys, before), self._stop
            )

    def _watched_step(self, batch: list[Delivery]) -> tuple[int, int]:
        records = [delivery.record for delivery in batch]
        offsets = [record.offset for record in records]
        with self.watch.step(offsets, [delivery.sent for delivery in batch]):
            return self._step(records)

    def _step(self, records: list[Record]) -> tuple[int, int]:
        """In a thread: step the lane and write.

        Returns up to where chunks are complete, and how many records were processed: fewer than
        given where the partition halts.
        """
        if self._lane is None:
            reach("on_assignment_before_load")
            self._lane = open_lane(
                self._settings, self._generation, self._partition, records[0].offset,
                self._meters(), self._find_targets, self._older, records[0].timestamp_ms,
                self._stop,
            )  # fmt: skip
            self.watch.opened(self._lane)
            reach("on_assignment_after_load")
        commit = -1
        admitted = until_done(partial(self._guard.admit, records), self._stop)
        for piece in admitted.pieces:
            flushes = self._lane.step(piece, self._meters())
            while True:
                with self._guard.watch.step(self._partition, piece):
                    flush = next(flushes, None)
                if flush is None:
                    break
                self._write(flush)
                commit = max(commit, flush.commit_offset)
        return commit, sum(map(len, admitted.pieces))

    def _write(self, flush: Flush) -> None:
        if not until_done(self._sink.right_topic, self._stop):
            raise ConflictError(
                f"{self._generation.topic} is not the topic that generation"
                f" {self._generation.number} was bound to: nothing more is written"
            )
        reach("after_step_before_write")
        self._sink.write(self._partition, flush, self._stop)
        assert self._lane is not None
        self._lane.acknowledged(flush)
        self.watch.flushed(flush)


def start_offsets(
    settings: StreamSettings,
    generation: Generation,
    first_offsets: dict[int, int],
    end_offsets: dict[int, int],
) -> dict[int, int]:
    """Where to start reading each partition, given what the broker has of it.

    Raises `ConflictError` where that is less than it was.
    """
    client = connect_clickhouse(settings.endpoints.clickhouse)
    try:
        ledgers: dict[int, Ledger] = {
            partition: load_ledger(client, generation, partition) for partition in first_offsets
        }
    finally:
        client.close()
    for partition, end in end_offsets.items():
        ledgers[partition].check_end(end)
    return {
        partition: ledgers[partition].start(first) for partition, first in first_offsets.items()
    }
