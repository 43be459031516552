"""Sends records into the log, at a pace of its own, and keeps the journal."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from functools import partial
from typing import Final

from confluent_kafka import KafkaError, Message, Producer

from core.clock import monotonic_seconds
from tests.faults.journal import ACKNOWLEDGED, REFUSED, Journal, digest
from tests.faults.traffic import LogRecord

_WAIT_SECONDS: Final = 120.0
_REFUSALS: Final = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD)


class Sender:
    """One producer of a topic. Send in one thread at a time."""

    def __init__(self, kafka: str, topic: str, journal: Journal) -> None:
        self._topic, self._journal = topic, journal
        self._learned: list[tuple[str, str, int, int]] = []
        self._producer = Producer(
            {
                "bootstrap.servers": kafka,
                "enable.idempotence": True,
                "linger.ms": 5,
                "delivery.timeout.ms": 110_000,
                "log_level": 0,
            }
        )

    def send(self, records: Iterable[LogRecord]) -> int:
        """Send a portion and wait for it; returns how many events it had."""
        portion = list(records)
        self._journal.sending([record.value for record in portion])
        for record in portion:
            report = partial(self._report, digest(record.value))
            self._producer.produce(
                self._topic, record.value, partition=record.partition, on_delivery=report
            )
            self._producer.poll(0)
        began = monotonic_seconds()
        while self._producer.flush(1.0) and monotonic_seconds() < began + _WAIT_SECONDS:
            pass
        self._journal.learned(self._learned)
        self._learned = []
        return sum(record.events for record in portion)

    def in_background(self, records: Iterable[LogRecord]) -> threading.Thread:
        """The same, in a thread to be joined."""
        thread = threading.Thread(target=self.send, args=(list(records),), daemon=True)
        thread.start()
        return thread

    def _report(self, sent: str, error: KafkaError | None, message: Message) -> None:
        if error is None:
            partition, offset = message.partition(), message.offset()
            assert partition is not None
            assert offset is not None
            self._learned.append((ACKNOWLEDGED, sent, partition, offset))
        elif error.code() in _REFUSALS:
            self._learned.append((REFUSED, sent, -1, -1))
        # Anything else leaves it unknown: it may be in the log, or not.
