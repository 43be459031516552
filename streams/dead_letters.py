"""Rejected positions of the log, with their reasons, on a topic of their own.

A letter names its position. It holds a rejected event whole, so that it can be mended and sent
again, and the beginning of a record that is no envelope: the log keeps its bytes. Writing a letter
again repeats it: readers go by position.
"""

from __future__ import annotations

import base64
import json
import threading
from typing import Any, Final

import polars as pl
from confluent_kafka import KafkaError, Message, Producer

from core.clock import monotonic_seconds
from core.endpoints import Endpoints
from core.envelope import ENVELOPE_BYTES_MAX
from core.errors import DependencyDownError
from core.events import EVENT_BYTES_MAX
from streams.lane import Flush

KEPT_BYTES: Final = 64 * 1024
"""Most bytes of a record's value that a letter repeats."""

KEPT_DATA_BYTES: Final = EVENT_BYTES_MAX
"""Most bytes of an event's data: every event that may be sent is kept whole."""

KEPT_CHARACTERS: Final = 1024
"""The same for the other texts, in characters."""

_WAIT_SECONDS: Final = 10.0
_TEXTS: Final = ("reason", "tenant_id", "id", "source", "type", "subject")


class DeadLetters:
    """Writes letters of one generation and waits for Kafka to have them. Threads may share it."""

    def __init__(self, endpoints: Endpoints, generation: int) -> None:
        self._topic, self._generation = endpoints.dead_letters_topic(), generation
        self._one_at_a_time = threading.Lock()
        self._failed: list[str] = []
        self._producer = Producer(
            {
                "bootstrap.servers": endpoints.kafka,
                "enable.idempotence": True,
                "acks": "all",
                "message.max.bytes": ENVELOPE_BYTES_MAX,
                "log_level": 0,
            }
        )

    def write(self, partition: int, flush: Flush) -> None:
        """Write a letter for everything that the flush rejects.

        Raises `DependencyDownError` when Kafka does not acknowledge all of them in time.
        """
        with self._one_at_a_time:
            self._failed.clear()
            for position, body in letters(flush):
                where = {"generation": self._generation, "partition": partition, **position}
                self._produce(
                    "/".join(map(str, where.values())), json.dumps(where | body, ensure_ascii=False)
                )
            if self._producer.flush(_WAIT_SECONDS) or self._failed:
                self._give_up()

    def _produce(self, key: str, letter: str) -> None:
        deadline = monotonic_seconds() + _WAIT_SECONDS
        while True:
            try:
                self._producer.produce(self._topic, letter, key=key, on_delivery=self._report)
                self._producer.poll(0)
            except BufferError:  # the queue is full: wait until some of it was delivered
                if not self._producer.poll(1.0) and monotonic_seconds() > deadline:
                    self._give_up()
            else:
                return

    def _give_up(self) -> None:
        self._producer.purge()
        self._producer.flush(1.0)
        raise DependencyDownError(f"Kafka does not take dead letters: {self._failed[:1]}")

    def _report(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed.append(str(error))


def letters(flush: Flush) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Position (offset, row) and body of every rejected record and event of a flush."""
    made: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (
            {"offset": dead.offset, "row": None},
            {
                "reason": dead.reason,
                "log_time_ms": dead.log_time_ms,
                "value_bytes": len(dead.value),
                "value_base64": base64.b64encode(dead.value[:KEPT_BYTES]).decode(),
            },
        )
        for dead in flush.dead
    ]
    # The time is a number here: what is rejected for its time may lie outside any calendar.
    columns = ("offset", "row", "log_time_ms", *_TEXTS, "data")
    micros = pl.col("time").to_physical().alias("time_micros")
    for row in flush.rejected.select(*columns, micros).to_dicts():
        body = {name: row[name][:KEPT_CHARACTERS] for name in _TEXTS}
        body |= {
            "log_time_ms": row["log_time_ms"],
            "time_micros": row["time_micros"],
            "data_bytes": len(row["data"]),
        }
        body |= _data(row["data"][:KEPT_DATA_BYTES])
        made.append(({"offset": row["offset"], "row": row["row"]}, body))
    return made


def _data(data: bytes) -> dict[str, str]:
    """The data as text, or in base64 where it is none."""
    try:
        return {"data": data.decode()}
    except UnicodeDecodeError:
        return {"data_base64": base64.b64encode(data).decode()}
