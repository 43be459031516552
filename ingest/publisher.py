"""Gathers events of many requests into few envelopes, and waits until Kafka has them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa

from core.cloudevents.columns import partitions_of, split_batch
from core.envelope import encode_envelope
from core.errors import DependencyDownError
from ingest.gathering import Body, Waiting, down, gather
from ingest.kafka_log import Delivery, KafkaLog
from ingest.metrics import HELD_BYTES, REFUSED
from ingest.passage import current_origin
from ingest.settings import IngestSettings

_FLUSHES_MAX: Final = 2
"""While so many envelopes' worth of gatherings are on their way, the next one gathers on."""

_EVENT_BYTES: Final = 200
"""Of a usual event in JSON: how many a body has is known when it was read."""

_RETRY_AFTER_SECONDS: Final = 1


class Publisher:
    """Publishes events to the log. All methods belong to the event loop of `log`.

    Bounded: at most `held_bytes_max` bytes of events wait here or in Kafka's producer. The busier
    Kafka is, the longer events are gathered, within bounds: fewer and larger envelopes cost less at
    every stage behind this one.
    """

    def __init__(self, log: KafkaLog, settings: IngestSettings) -> None:
        self._log = log
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Waiting] = []
        self._waiting_events = 0
        self._timer: asyncio.TimerHandle | None = None
        self._held_bytes = 0
        self._under_way = 0
        self._is_late = False

    @property
    def fault(self) -> str | None:
        """Why events cannot be published right now; None while they can."""
        return self._log.fault

    async def publish(self, batch: pa.RecordBatch, size_bytes: int) -> None:
        """Return once Kafka has acknowledged every envelope that holds one of these events.

        `batch` has the schema of an envelope. `size_bytes` is what the events weigh against the
        bound. Raises `DependencyDownError` otherwise; some of the events may be in the log then, so
        the sender repeats all of them with the same ids.
        """
        if batch.num_rows:
            await self._place(batch, batch.num_rows, size_bytes)

    def publish_body(self, body: Body) -> asyncio.Future[bool]:
        """The same of a body that is read together with others; then it knows its `events`.

        False when it has to be read alone: nothing of it was published. Raises what its sender's
        `spend` raises, too.
        """
        size_bytes = len(body.text)
        return self._place(body, size_bytes // _EVENT_BYTES + 1, size_bytes)

    def _place(
        self, what: pa.RecordBatch | Body, events: int, size_bytes: int
    ) -> asyncio.Future[bool]:
        """Queue so many events, about, for the next flush. Raises `DependencyDownError`."""
        if self._log.topic is None or self._log.wrong_log:
            raise down(f"Kafka does not answer: {self._log.fault}")
        if self._held_bytes and self._held_bytes + size_bytes > self._settings.held_bytes_max:
            REFUSED["events"].inc()
            raise DependencyDownError(
                "more events are waiting for Kafka than this server may hold",
                retry_after_seconds=_RETRY_AFTER_SECONDS,
            )
        self._held_bytes += size_bytes
        settled = self._loop.create_future()
        self._waiting.append(Waiting(what, size_bytes, settled, current_origin(), self._release))
        self._waiting_events += events
        if self._waiting_events >= self._settings.gather_events:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(self._settings.gather_seconds, self._gathered)
        return settled

    def _release(self, size_bytes: int) -> None:
        self._held_bytes -= size_bytes

    def _gathered(self) -> None:
        """The shortest time to gather is over: go on only while enough is on its way."""
        if self._under_way < _FLUSHES_MAX:
            self.flush()
            return
        self._is_late = True
        more_seconds = self._settings.gather_seconds_max - self._settings.gather_seconds
        self._timer = self._loop.call_later(more_seconds, self.flush)

    def _arrived(
        self, left: set[int], number: int, requests: list[Waiting], delivery: Delivery
    ) -> None:
        """One of a flush's envelopes is through; after the last one the next flush may leave."""
        reason = delivery.result()
        for request in requests:
            request.arrived(reason)
        left.discard(number)
        if not left:
            HELD_BYTES.set(self._held_bytes)
            self._under_way -= 1
            if self._is_late:
                self.flush()

    def flush(self) -> None:
        """Send everything gathered so far, one or more envelopes for each partition."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._is_late = False
        requests, self._waiting, self._waiting_events = self._waiting, [], 0
        if not requests:
            return
        try:
            self._send(requests)
        except Exception as error:  # noqa: BLE001 - each request waits for its answer, and gets it
            for request in requests:
                request.fail(error)
        HELD_BYTES.set(self._held_bytes)

    def _send(self, waiting: list[Waiting]) -> None:
        topic = self._log.topic
        assert topic is not None, "publish() refuses requests until it is known"
        requests, counts, batch = gather(waiting)
        if batch is None:
            return
        pieces, envelope_of_row = self._cut(batch, topic.partitions)
        requests_of = _share_out(requests, counts, envelope_of_row, len(pieces))
        values = [encode_envelope(piece) for _, piece in pieces]
        self._under_way += 1
        left = set(range(len(pieces)))
        for number, (partition, piece) in enumerate(pieces):
            some = requests_of[number]
            origins = [request.origin for request in some]
            delivery = self._log.append(topic, partition, values[number], piece.num_rows, origins)
            delivery.add_done_callback(partial(self._arrived, left, number, some))

    def _cut(
        self, batch: pa.RecordBatch, partitions: int
    ) -> tuple[list[tuple[int, pa.RecordBatch]], list[int]]:
        """One piece or more for each partition; and for each row, which piece it is in."""
        partition_of_row = partitions_of(batch.column("key"), partitions)
        order = np.argsort(partition_of_row, kind="stable")
        sorted_batch = batch.take(order)
        bounds = np.searchsorted(partition_of_row[order], np.arange(partitions + 1)).tolist()
        pieces: list[tuple[int, pa.RecordBatch]] = []
        for partition, (start, stop) in enumerate(pairwise(bounds)):
            if start < stop:
                some = sorted_batch.slice(start, stop - start)
                limits = self._settings.envelope_events_max, self._settings.envelope_bytes_max
                pieces += ((partition, piece) for piece in split_batch(some, *limits))
        envelope_of_row = np.empty(batch.num_rows, np.int64)
        sizes = [piece.num_rows for _, piece in pieces]
        envelope_of_row[order] = np.repeat(np.arange(len(pieces)), sizes)
        return pieces, envelope_of_row.tolist()


def _share_out(
    requests: Sequence[Waiting], counts: Sequence[int], envelope_of_row: list[int], envelopes: int
) -> list[list[Waiting]]:
    """The requests of each envelope; each request is told how many hold its events."""
    requests_of: list[list[Waiting]] = [[] for _ in range(envelopes)]
    start = 0
    for request, count in zip(requests, counts, strict=True):
        if count == 1:
            requests_of[envelope_of_row[start]].append(request)
            request.left = 1
        else:
            numbers = set(envelope_of_row[start : start + count])
            for number in numbers:
                requests_of[number].append(request)
            request.left = len(numbers)
        start += count
    return requests_of
