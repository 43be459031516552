"""Reads topics of Kafka and writes what they hold into the log: exactly once in effect.

A record's place is committed only after everything made of it is acknowledged by the log. A relay
that dies in between makes the same events again, and the log knows their keys.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

import pyarrow as pa
from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from core.clock import monotonic_seconds
from core.endpoints import Endpoints
from core.envelope import ENVELOPE_BYTES_MAX
from core.errors import ConflictError
from core.faults import reach
from streams.log_writer import Headers, LogWriter
from streams.sink import Stopped, until_done

_LOG = logging.getLogger(__name__)
_SECONDS: Final = 10.0
_GATHER_SECONDS: Final = 0.05
_RECORDS_MAX: Final = 2_000
_BYTES_MAX: Final = 16 * 1024 * 1024
_QUEUED_KBYTES: Final = 32 * 1024
_SESSION_SECONDS: Final = 6


@dataclass(slots=True)
class Relayed:
    """What is written for some records: events, records as they are, and dead letters."""

    batches: list[pa.RecordBatch] = field(default_factory=list)
    raw: list[tuple[int, bytes | None, Headers]] = field(default_factory=list)
    letters: list[dict[str, object]] = field(default_factory=list)


class Convert(Protocol):
    """Turns records into what the log gets for them; the same records give the same, always."""

    def __call__(self, messages: Sequence[Message]) -> Relayed:
        """Convert records of any partitions, each partition's in order."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """Where a relay reads.

    `start_of` says where a partition without a committed offset begins, None: at its oldest record.
    """

    endpoints: Endpoints
    group: str
    worker_id: str
    topics: Sequence[str]
    start_of: Callable[[str, int], int | None] = lambda _topic, _partition: None


class Relay:
    """One consumer and the loop around it. Belongs to one thread."""

    def __init__(
        self, source: Source, writer: LogWriter, convert: Convert, stop: threading.Event
    ) -> None:
        self._source, self._writer, self._convert = source, writer, convert
        self._stop = stop
        self._consumer = Consumer(
            {
                "bootstrap.servers": source.endpoints.kafka,
                "group.id": source.group,
                "group.instance.id": source.worker_id,
                "session.timeout.ms": _SESSION_SECONDS * 1000,
                "enable.auto.commit": False,
                "auto.offset.reset": "error",  # a jump over lost records must not be silent
                "allow.auto.create.topics": False,
                "fetch.message.max.bytes": ENVELOPE_BYTES_MAX,
                "queued.max.messages.kbytes": _QUEUED_KBYTES,
                "log_level": 0,
            }
        )
        self._consumer.subscribe(list(source.topics), on_assign=self._assigned)

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def step(self) -> int:
        """Relay what is there now, waiting a moment for it; returns the number of records.

        Raises `Stopped`, `ConflictError` when records were lost, and `KafkaException`.
        """
        messages = self._gather()
        if not messages:
            return 0
        relayed = self._convert(messages)
        reach("relay_before_write")
        until_done(lambda: self._write(relayed), self._stop)
        reach("relay_after_write")
        self._commit(messages)
        reach("relay_after_commit")
        return len(messages)

    def _gather(self) -> list[Message]:
        messages: list[Message] = []
        size, deadline = 0, monotonic_seconds() + _GATHER_SECONDS
        while len(messages) < _RECORDS_MAX and size < _BYTES_MAX and not self._stop.is_set():
            message = self._consumer.poll(max(0.0, deadline - monotonic_seconds()))
            if message is None:
                break
            error = message.error()
            if error is None:
                messages.append(message)
                size += len(message.value() or b"")
            else:
                self._look_at(error, message)
        return messages

    def _look_at(self, error: KafkaError, message: Message) -> None:
        """Pass over troubles that pass; raise for the others."""
        if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - its public name
            raise ConflictError(
                f"{message.topic()}/{message.partition()}: {error.str()}: records were deleted"
                " before they were carried into the log. Nothing was skipped; to go on without"
                f" them, reset the offsets of the group {self._source.group}."
            )
        if error.fatal():
            raise KafkaException(error)
        _LOG.warning("waiting for Kafka: %s", error.str())
        self._stop.wait(0.1)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Begin each partition where the group is, and a new one where the source says."""
        found = until_done(lambda: consumer.committed(partitions, timeout=_SECONDS), self._stop)
        for partition in found:
            if partition.offset == OFFSET_INVALID:
                first = self._source.start_of(partition.topic, partition.partition)
                partition.offset = OFFSET_BEGINNING if first is None else first
        _LOG.info("relays %s", [f"{p.topic}/{p.partition} from {p.offset}" for p in found])
        consumer.assign(found)

    def _write(self, relayed: Relayed) -> None:
        self._writer.check_topic()
        for letter in relayed.letters:
            self._writer.write_letter(letter)
        for partition, value, headers in relayed.raw:
            self._writer.write_raw(partition, value, headers)
        for batch in relayed.batches:
            self._writer.write(batch)
        self._writer.flush()

    def _commit(self, messages: list[Message]) -> None:
        """Commit behind the last record of each partition.

        A commit that is refused because the group was rebalanced does no harm: the next owner makes
        the same events again.
        """
        ends: dict[tuple[str, int], int] = {}
        for message in messages:
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            assert topic is not None
            assert partition is not None
            assert offset is not None
            ends[topic, partition] = offset + 1
        offsets = [TopicPartition(*where, end) for where, end in ends.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            _LOG.warning("the place was not committed, it will be relayed again: %s", error)


def run_relay(relay: Relay, stop: threading.Event, tend: Callable[[], None]) -> None:
    """Relay until `stop` is set; `tend` is called between two steps."""
    try:
        with suppress(Stopped):
            while not stop.is_set():
                tend()
                relay.step()
    finally:
        relay.close()
