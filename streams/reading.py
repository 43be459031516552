"""All lanes of one generation of the log in one process, by partition."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from confluent_kafka.admin import AdminClient
from faust.types import TP

from catalog.metering.aggregate import CompiledMeters
from core.clock import SystemClock
from core.errors import ConflictError
from core.faults import reach
from streams.decisions import DecisionLog
from streams.generation import Generation, check_log, check_topic
from streams.older_keys import OlderKeys
from streams.poison import LaneGuard
from streams.records import Record
from streams.runner import Delivery, LaneRunner, start_offsets
from streams.settings import StreamSettings
from streams.sink import Sink, until_done
from streams.step_marks import StepWatch
from streams.watch import sent_of

_LOG = logging.getLogger(__name__)
SEEK_SECONDS: Final = 5.0
"""After this time a partition whose start did not come is sought to it again."""


class Reading:
    """What a worker holds of the generation that it reads.

    Waits for Kafka when it is made; raises `ConflictError` when the topic cannot carry the log.
    """

    def __init__(
        self,
        settings: StreamSettings,
        generation: Generation,
        admin: AdminClient,
        pool: ThreadPoolExecutor,
        meters: Callable[[], CompiledMeters],
        on_failure: Callable[[BaseException], None],
        stopping: threading.Event,
    ) -> None:
        self.settings, self.generation = settings, generation
        self._pool, self._meters, self._on_failure = pool, meters, on_failure
        self._admin, self._stopping = admin, stopping
        until_done(lambda: check_log(admin, generation), stopping)
        self._sink = Sink(settings.endpoints, generation)
        self._lanes: dict[int, tuple[LaneRunner, int]] = {}  # and the offset each expects next
        self._starts: dict[int, int] = {}  # where each assigned partition was sought to
        self._seeking: dict[int, asyncio.Task[None]] = {}  # until their starts come
        self._older = OlderKeys(generation)
        self._watch = StepWatch(settings.data_dir / "steps", generation.number)
        self._decisions = DecisionLog(
            settings.endpoints, generation.number, settings.worker_id, SystemClock()
        )

    def starts(self, first_offsets: dict[int, int], end_offsets: dict[int, int]) -> dict[int, int]:
        """Where to start each partition; waits for ClickHouse and Kafka.

        Raises `ConflictError` when the topic is another one by now: an offset beyond the end of a
        topic that was created again would be reset without a word.
        """
        known = {number: self._starts[number] for number in first_offsets if number in self._starts}
        if len(known) == len(first_offsets):  # the same assignment once more: the same answer
            return known
        topic = self.generation.topic
        until_done(lambda: check_topic(self._admin, self.generation, topic), self._stopping)
        found = until_done(
            lambda: start_offsets(self.settings, self.generation, first_offsets, end_offsets),
            self._stopping,
        )
        self._starts.update(found)
        return found

    def drop_lanes(self) -> None:
        """Forget every lane: after a rebalance each partition is read again from its start."""
        for lane, _ in self._lanes.values():
            lane.stop()
        for seeking in self._seeking.values():
            seeking.cancel()
        self._lanes.clear()
        self._starts.clear()
        self._seeking.clear()

    async def deliver(self, event: Any) -> None:
        """Hand an event's record to its lane; until acknowledged, the broker sends it again.

        Raises `ConflictError` when records are missing before it.
        """
        message = event.message
        partition, offset = message.partition, message.offset
        reach("on_delivery")
        lane, expected = self._lanes.get(partition, (None, offset))
        if lane is None or offset != expected:
            start = self._starts.get(partition)
            if offset != start:
                if lane is None:
                    self._seek_again(event.app.consumer, message.tp, start, offset)
                    return
                if offset < expected:  # sought while it was on its way: the lane has it
                    return
                raise ConflictError(f"partition {partition}: offset {offset} after {expected - 1}")
            if lane is not None:  # sought once more
                lane.stop()
            lane = LaneRunner(
                self.settings, self._sink, self.generation, partition, self._pool,
                self._meters, self._on_failure,
                LaneGuard(self._watch, self._decisions, partition),
                partial(_set_flow, event.app.consumer, message.tp), self._older,
            )  # fmt: skip
            lane.watch.facts.log_end = partial(_log_end, event.app.consumer, message.tp)
        self._lanes[partition] = (lane, offset + 1)
        record = Record(offset, round(message.timestamp * 1000), message.value)
        message.value = None  # held until the chunk is durable, so it must not hold its payload
        acknowledge = partial(message.ack, event.app.consumer)
        await lane.put(Delivery(record, acknowledge, sent_of(message.headers)))

    def _seek_again(self, consumer: Any, tp: TP, start: int | None, offset: int) -> None:
        """Look at a record that comes before the start of its partition was seen.

        One of an earlier assignment says nothing. But where seeking and reading crossed, Faust may
        leave out the records before it: the partition would stand still without a word.
        """
        if start is None or offset < start or tp.partition in self._seeking:
            return
        _LOG.warning("partition %d: got offset %d before %d", tp.partition, offset, start)
        insisting = asyncio.get_running_loop().create_task(self._insist(consumer, tp, start))
        self._seeking[tp.partition] = insisting

    async def _insist(self, consumer: Any, tp: TP, start: int) -> None:
        """Seek until the start of a partition comes: the next seek may cross a read as well.

        Waiting for another record to ask again would wait for ever where none is written.
        """
        while self._starts.get(tp.partition) == start and tp.partition not in self._lanes:
            try:
                await consumer.seek(tp, start)
            except Exception as error:  # noqa: BLE001 - the assignment changes: starts will, too
                _LOG.warning("partition %d: not sought to %d: %r", tp.partition, start, error)
            await asyncio.sleep(SEEK_SECONDS)
        self._seeking.pop(tp.partition, None)

    def partitions(self) -> set[int]:
        """The partitions that were given to this process and found their start."""
        return set(self._starts)

    def halted(self) -> dict[int, int]:
        """Partition -> offset of the record before which it stands still; empty as a rule."""
        return {
            partition: lane.halted_at
            for partition, (lane, _) in self._lanes.items()
            if lane.halted_at is not None
        }

    def keep(self, partitions: set[int]) -> None:
        """Forget what was left behind for partitions that other workers have now."""
        self._watch.keep(partitions)


def _log_end(consumer: Any, tp: TP) -> int | None:
    """The offset after the last record, as the broker said with its latest answer."""
    try:
        end: int | None = consumer.highwater(tp)
    except Exception:  # noqa: BLE001 - asked while the assignment changes: not known then
        return None
    return end


def _set_flow(consumer: Any, tp: TP, flows: bool) -> None:
    (consumer.resume_partitions if flows else consumer.pause_partitions)({tp})
