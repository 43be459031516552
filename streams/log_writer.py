"""Puts envelopes into the newest generation of the log, from a process that may repeat itself.

Whatever is not acknowledged is written again by the caller; copies are caught by their keys.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import numpy as np
import pyarrow as pa
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from core.clock import monotonic_seconds
from core.cloudevents.columns import partitions_of, split_batch
from core.endpoints import Endpoints
from core.envelope import ENVELOPE_BYTES_MAX, encode_envelope, envelope_headers
from core.errors import ConflictError, DependencyDownError
from streams.generation import Generation, kafka_admin, topic_id_of

ENVELOPE_EVENTS_MAX: Final = 1_000
ENVELOPE_PAYLOAD_MAX: Final = 900_000
"""Most events, and most bytes before compression, in one envelope."""

_DELIVERY_SECONDS: Final = 10.0
_QUEUE_KBYTES: Final = 64 * 1024

Headers = list[tuple[str, bytes]]


class LogWriter:
    """Writes to one generation until it is given a newer one. Belongs to one thread."""

    def __init__(self, endpoints: Endpoints, generation: Generation, client_id: str) -> None:
        self.generation = generation
        self._letters = endpoints.dead_letters_topic()
        self._admin = kafka_admin(endpoints)
        self._failed: list[str] = []
        self._producer = Producer(
            {
                "bootstrap.servers": endpoints.kafka,
                "client.id": client_id,
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 0,
                "compression.type": "none",  # an envelope is compressed inside
                "message.max.bytes": ENVELOPE_BYTES_MAX,
                "delivery.timeout.ms": int(_DELIVERY_SECONDS * 1000),
                "queue.buffering.max.kbytes": _QUEUE_KBYTES,
                "log_level": 0,
            }
        )

    def check_topic(self) -> None:
        """Raise `ConflictError` unless the topic is the one that the generation was bound to."""
        found = topic_id_of(self._admin, self.generation.topic)
        if found != self.generation.topic_id:
            raise ConflictError(
                f"{self.generation.topic} is not the topic that generation"
                f" {self.generation.number} was bound to: nothing is written to it"
            )

    def write(self, batch: pa.RecordBatch) -> None:
        """Send events (`ENVELOPE_SCHEMA`), each to the partition of its key."""
        partition_of_row = partitions_of(batch.column("key"), self.generation.partitions)
        for partition in np.unique(partition_of_row).tolist():
            rows = np.flatnonzero(partition_of_row == partition)
            mine = batch if len(rows) == batch.num_rows else batch.take(rows)
            for piece in split_batch(mine, ENVELOPE_EVENTS_MAX, ENVELOPE_PAYLOAD_MAX):
                headers = envelope_headers(piece.num_rows)
                self.write_raw(partition, encode_envelope(piece), headers)

    def write_raw(self, partition: int, value: bytes | None, headers: Headers) -> None:
        """Send a record as it is."""
        self._produce(self.generation.topic, value=value, partition=partition, headers=headers)

    def write_letter(self, letter: Mapping[str, object]) -> None:
        """Send a dead letter; its first four values are its position."""
        key = "/".join(str(value) for value in list(letter.values())[:4])
        self._produce(self._letters, value=json.dumps(letter), key=key)

    def flush(self) -> None:
        """Wait until Kafka has everything. Raises `DependencyDownError`: then write all again."""
        waiting = self._producer.flush(_DELIVERY_SECONDS + 1)
        failed, self._failed = self._failed, []
        if waiting or failed:
            self._producer.purge()
            self._producer.flush(1.0)
            self._failed = []
            raise DependencyDownError(f"Kafka does not take what is carried over: {failed[:1]}")

    def _produce(self, topic: str, **record: Any) -> None:
        produce = partial(self._producer.produce, topic, on_delivery=self._report, **record)
        deadline = monotonic_seconds() + _DELIVERY_SECONDS
        while True:
            try:
                produce()
            except BufferError as error:  # the queue is full: wait until some of it was delivered
                if monotonic_seconds() > deadline:
                    raise DependencyDownError("Kafka takes nothing") from error
                self._producer.poll(0.1)
            except KafkaException as error:
                raise DependencyDownError(f"Kafka does not take a record: {error}") from error
            else:
                self._producer.poll(0)
                return

    def _report(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed.append(str(error))
