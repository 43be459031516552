"""Carries over what was written behind the end of a generation into the newest one.

A producer that had not heard of the switch yet, or retried across it, wrote there. Its events are
not part of the old generation; they keep their key, content and receive time, and go to the
partition of their key in the newest one. What is no envelope goes along as it is, and is refused
there.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Final

from confluent_kafka import Message

from core.clock import Clock, SystemClock
from core.endpoints import Endpoints
from core.envelope import decode_envelope
from core.errors import ConflictError, ValidationError
from core.generation_end import is_end_marker
from streams.generation import Generation, kafka_admin, topic_id_of
from streams.log_writer import LogWriter
from streams.relay import Relay, Relayed, Source, run_relay
from streams.sink import Stopped, until_done
from streams.succession import Succession

_LOG = logging.getLogger(__name__)
_DAY_SECONDS: Final = 24 * 3600


class CarryConverter:
    """Converts records behind the ends of older generations for the newest one.

    A further end marker says nothing and is left behind.
    """

    def __init__(self, endpoints: Endpoints, newest: Generation, clock: Clock) -> None:
        self._endpoints, self._clock = endpoints, clock
        self._partitions = newest.partitions
        self._recognised_seconds = newest.horizon_seconds - _DAY_SECONDS

    def __call__(self, messages: Sequence[Message]) -> Relayed:
        """The events of the records, each record's in a batch of its own.

        Raises `ConflictError` when they are so old that copies of them are not recognised any more.
        """
        relayed = Relayed()
        for message in messages:
            self.check_age(message.topic() or "", message.timestamp()[1])
            topic, partition, value = message.topic(), message.partition(), message.value()
            assert topic is not None
            assert partition is not None
            generation = self._endpoints.generation_of(topic)
            assert generation is not None
            self.add(
                relayed, generation, partition, value.encode() if isinstance(value, str) else value
            )
        return relayed

    def check_age(self, topic: str, timestamp_ms: int) -> None:
        """Raise `ConflictError` where a record may have been carried over before, long ago.

        Kafka forgets the place of a group that was away for days; its records come once more then,
        and beyond the horizon nothing knows their keys.
        """
        age_seconds = (self._clock.now_micros() // 1000 - timestamp_ms) // 1000
        if age_seconds > self._recognised_seconds:
            raise ConflictError(
                f"{topic} has records behind its end that are {age_seconds // _DAY_SECONDS} days"
                " old: whether they were carried over before cannot be told any more, and nothing"
                " was carried over. If they were, set the offsets of the group"
                f" {self._endpoints.carrier_group()} to the end of the topic."
            )

    def add(self, relayed: Relayed, generation: int, partition: int, value: bytes | None) -> None:
        """Add what becomes of one record of a partition of an older generation."""
        if is_end_marker(value, generation):
            return
        try:
            relayed.batches.append(decode_envelope(value or b""))
        except ValidationError:
            relayed.raw.append((partition % self._partitions, value, []))


class Carrier(threading.Thread):
    """Carries over from all retired generations whose topics are still there, until stopped."""

    def __init__(
        self,
        endpoints: Endpoints,
        worker_id: str,
        succession: Succession,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        super().__init__(name="carrier", daemon=True)
        self._endpoints, self._worker_id, self._succession = endpoints, worker_id, succession
        self._on_failure = on_failure
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Stop soon; a later carrier goes on where this one was."""
        self._stopping.set()

    def run(self) -> None:
        """Carry over until stopped; a failure is handed to `on_failure`."""
        try:
            self._run()
        except Stopped:
            return
        except BaseException as error:  # noqa: BLE001 - whatever it is, the worker must know
            if not self._stopping.is_set():
                self._on_failure(error)

    def _run(self) -> None:
        newest = self._succession.newest
        topics = until_done(self._topics, self._stopping)
        if not topics:
            return
        ends = {(end.generation, end.partition): end.offset for end in self._succession.ends}
        source = Source(
            self._endpoints,
            self._endpoints.carrier_group(),
            self._worker_id,
            topics,
            lambda topic, partition: ends[self._endpoints.generation_of(topic) or 1, partition],
        )
        writer = LogWriter(self._endpoints, newest, "tollbook-carrier")
        convert = CarryConverter(self._endpoints, newest, SystemClock())
        relay = Relay(source, writer, convert, self._stopping)
        _LOG.info("carries over from %s into generation %d", topics, newest.number)
        run_relay(relay, self._stopping, lambda: None)

    def _topics(self) -> list[str]:
        """Topics of retired generations. One that is gone, or is another one, holds nothing."""
        admin = kafka_admin(self._endpoints)
        found = []
        for generation in self._succession.retired:
            if topic_id_of(admin, generation.topic) == generation.topic_id:
                found.append(generation.topic)
            else:
                _LOG.warning("%s is gone: nothing is carried over from it", generation.topic)
        return found
