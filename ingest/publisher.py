"""Gathers events of many requests into few envelopes, and waits until Kafka has them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import numpy as np

from core.envelope import encode_envelope
from core.errors import DependencyDownError
from ingest.columns import EventColumns, split_batch
from ingest.kafka_log import Delivery, KafkaLog
from ingest.settings import IngestSettings

_RETRY_AFTER_SECONDS: Final = 1
_DOWN_RETRY_AFTER_SECONDS: Final = 5


@dataclass(slots=True)
class _Waiting:
    """The events of one request; `placed` resolves to the deliveries of their envelopes."""

    columns: EventColumns
    placed: asyncio.Future[list[Delivery]]


class Publisher:
    """Publishes events to the log. All methods belong to the event loop of `log`.

    Bounded: at most `held_bytes_max` bytes of events wait here or in Kafka's producer.
    """

    def __init__(self, log: KafkaLog, settings: IngestSettings) -> None:
        self._log = log
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._waiting: list[_Waiting] = []
        self._waiting_events = 0
        self._timer: asyncio.TimerHandle | None = None
        self._held_bytes = 0

    @property
    def fault(self) -> str | None:
        """Why events cannot be published right now; None while they can."""
        return self._log.fault

    async def publish(self, columns: EventColumns, size_bytes: int) -> None:
        """Return once Kafka has acknowledged every envelope that holds one of these events.

        `size_bytes` is what the events weigh against the bound. Raises `DependencyDownError`
        otherwise; some of the events may be in the log then, so the sender repeats all of them with
        the same ids.
        """
        if not len(columns):
            return
        if self._log.partitions is None or self._log.wrong_log:
            raise _down(f"Kafka does not answer: {self._log.fault}")
        if self._held_bytes and self._held_bytes + size_bytes > self._settings.held_bytes_max:
            raise DependencyDownError(
                "more events are waiting for Kafka than this server may hold",
                retry_after_seconds=_RETRY_AFTER_SECONDS,
            )
        self._held_bytes += size_bytes
        try:
            deliveries = await self._place(columns)
            # Shielded: a delivery is shared with other requests, which outlive this one's end.
            reasons = [await asyncio.shield(delivery) for delivery in deliveries]
        finally:
            self._held_bytes -= size_bytes
        failed = [reason for reason in reasons if reason is not None]
        if failed:
            raise _down(f"Kafka did not take the events: {failed[0]}")

    def _place(self, columns: EventColumns) -> asyncio.Future[list[Delivery]]:
        """Queue the events for the next flush."""
        waiting = _Waiting(columns, self._loop.create_future())
        self._waiting.append(waiting)
        self._waiting_events += len(columns)
        if self._waiting_events >= self._settings.gather_events:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(self._settings.gather_seconds, self.flush)
        return waiting.placed

    def flush(self) -> None:
        """Send everything gathered so far, one or more envelopes for each partition."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        requests, self._waiting, self._waiting_events = self._waiting, [], 0
        if not requests:
            return
        try:
            self._send(requests)
        except Exception as error:  # noqa: BLE001 - each request waits for its answer, and gets it
            for request in requests:
                if not request.placed.done():
                    request.placed.set_exception(error)

    def _send(self, requests: list[_Waiting]) -> None:
        partitions = self._log.partitions
        assert partitions is not None, "publish() refuses requests until the count is known"
        columns = requests[0].columns
        if len(requests) > 1:
            columns = EventColumns()
            for request in requests:
                columns.extend(request.columns)
        batch = columns.as_batch()
        partition_of_row = columns.partitions(partitions)
        envelope_of_row = np.empty(len(columns), dtype=np.int64)
        deliveries: list[Delivery] = []
        for partition in np.unique(partition_of_row).tolist():
            rows = np.flatnonzero(partition_of_row == partition)
            start = 0
            for piece in split_batch(
                batch if len(rows) == len(columns) else batch.take(rows),
                self._settings.envelope_events_max,
                self._settings.envelope_bytes_max,
            ):
                stop = start + piece.num_rows
                envelope_of_row[rows[start:stop]] = len(deliveries)
                value = encode_envelope(piece)
                deliveries.append(self._log.append(partition, value, piece.num_rows))
                start = stop
        start = 0
        for request in requests:
            stop = start + len(request.columns)
            mine = set(envelope_of_row[start:stop].tolist())
            if not request.placed.done():
                request.placed.set_result([deliveries[number] for number in mine])
            start = stop


def _down(message: str) -> DependencyDownError:
    return DependencyDownError(message, retry_after_seconds=_DOWN_RETRY_AFTER_SECONDS)
