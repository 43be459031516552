"""The log as ingest sees it: append an envelope, learn whether Kafka has it.

One librdkafka producer, a thread that runs its callbacks, and a thread that asks every second
whether Kafka is there. The producer retries by itself until `delivery_seconds` are over;
idempotence keeps its retries from making copies. After a fatal error librdkafka refuses everything
for good, so the producer is replaced; copies that this may make are caught by their keys.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from threading import Event, Lock, Thread
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicCollection
from confluent_kafka.admin import AdminClient

from core.clock import monotonic_seconds
from core.envelope import ENVELOPE_BYTES_MAX, envelope_headers
from ingest.settings import IngestSettings

_log: Final = logging.getLogger(__name__)
_POLL_SECONDS: Final = 0.1
_QUEUE_KBYTES: Final = 128 * 1024
_QUEUE_RECORDS: Final = 100_000

Delivery = asyncio.Future[str | None]
"""Resolves to None once all in-sync replicas have the envelope, else to the reason why not."""


class KafkaLog:
    """Appends envelopes to the topic of usage events. All methods belong to one event loop.

    `wrong_log` is true while the topic is another one than when this process began.
    """

    def __init__(self, settings: IngestSettings) -> None:
        self._settings = settings
        self._topic = settings.endpoints.usage_events_topic()
        self._loop = asyncio.get_running_loop()
        self._lock = Lock()
        self._stop = Event()
        self._fatal = Event()
        self._probed = Event()
        self._partitions: int | None = None
        self._topic_id: str | None = None
        self.wrong_log = False
        self._admin = AdminClient({"bootstrap.servers": settings.endpoints.kafka, "log_level": 0})
        self._fault: str | None = "not asked yet"
        self._producer = self._create_producer()
        self._threads = (
            Thread(target=self._run_callbacks, name="kafka-callbacks", daemon=True),
            Thread(target=self._run_probes, name="kafka-probes", daemon=True),
        )
        for thread in self._threads:
            thread.start()

    @property
    def partitions(self) -> int | None:
        """Number of partitions of the topic, fixed once known; None until Kafka answered once."""
        return self._partitions

    @property
    def fault(self) -> str | None:
        """Why Kafka cannot be used right now; None while it answers."""
        return self._fault

    def append(self, partition: int, value: bytes, events: int) -> Delivery:
        """Hand one envelope of `events` events to the producer."""
        delivery: Delivery = self._loop.create_future()
        try:
            with self._lock:
                self._producer.produce(
                    self._topic,
                    value=value,
                    partition=partition,
                    headers=list(envelope_headers(events)),
                    on_delivery=partial(self._delivered, delivery),
                )
        except BufferError:
            delivery.set_result("the producer's queue is full")
        except KafkaException as error:
            self._note_error(error.args[0])
            delivery.set_result(str(error.args[0]))
        return delivery

    async def first_probe(self) -> None:
        """Wait until Kafka was asked once, so that a server does not begin by refusing events."""
        await asyncio.to_thread(self._probed.wait, self._settings.delivery_seconds)

    async def close(self) -> None:
        """Wait for what is on its way, at most `delivery_seconds`, then stop the threads."""
        await asyncio.to_thread(self._producer.flush, self._settings.delivery_seconds)
        self._stop.set()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _create_producer(self) -> Producer:
        return Producer(
            {
                "bootstrap.servers": self._settings.endpoints.kafka,
                "client.id": "tollbook-ingest",
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 0,  # envelopes are gathered before they come here
                "compression.type": "none",  # an envelope is compressed inside
                "message.max.bytes": ENVELOPE_BYTES_MAX,
                "delivery.timeout.ms": int(self._settings.delivery_seconds * 1000),
                "queue.buffering.max.kbytes": _QUEUE_KBYTES,
                "queue.buffering.max.messages": _QUEUE_RECORDS,
                "reconnect.backoff.ms": 100,
                "reconnect.backoff.max.ms": 1000,
                "error_cb": self._note_error,
                "logger": _log,
            }
        )

    def _run_callbacks(self) -> None:
        while not self._stop.is_set():
            self._producer.poll(_POLL_SECONDS)
            if self._fatal.is_set():
                self._replace_producer()

    def _replace_producer(self) -> None:
        with self._lock:
            broken, self._producer = self._producer, self._create_producer()
            self._fatal.clear()
        broken.purge()
        deadline = monotonic_seconds() + self._settings.delivery_seconds
        while len(broken) and monotonic_seconds() < deadline:
            broken.poll(_POLL_SECONDS)
        _log.warning("replaced the Kafka producer after a fatal error")

    def _note_error(self, error: KafkaError) -> None:
        """Called by librdkafka for errors that belong to no single record."""
        if error.fatal() or error.code() == KafkaError._FATAL:  # noqa: SLF001 - its public name
            self._fatal.set()

    def _delivered(self, delivery: Delivery, error: KafkaError | None, _: Message) -> None:
        """Called in the callback thread once for each envelope."""
        if error is not None:
            self._note_error(error)
        reason = None if error is None else str(error)
        self._loop.call_soon_threadsafe(_resolve, delivery, reason)

    def _run_probes(self) -> None:
        """Keep `fault` and `partitions` true. All topics are listed: naming one may create it."""
        while not self._stop.is_set():
            try:
                topics = self._producer.list_topics(timeout=self._settings.probe_seconds * 2).topics
                partitions = len(topics[self._topic].partitions)
                self._fault = self._look_at(partitions, self._read_topic_id())
            except KafkaException as error:
                self._fault = str(error.args[0])
            except KeyError:
                self._fault = f"the topic {self._topic} does not exist: run `tollbook migrate`"
            self._probed.set()
            self._stop.wait(self._settings.probe_seconds)

    def _read_topic_id(self) -> str:
        described = self._admin.describe_topics(TopicCollection([self._topic]))[self._topic]
        return str(described.result(timeout=self._settings.probe_seconds * 2).topic_id)

    def _look_at(self, partitions: int, topic_id: str) -> str | None:
        """Learn the topic once. Another one later is another log: events in it would not count."""
        if self._partitions is None and partitions:
            self._partitions, self._topic_id = partitions, topic_id
        self.wrong_log = (partitions, topic_id) != (self._partitions, self._topic_id)
        if not self.wrong_log:
            return None
        return (
            f"{self._topic} was created again or has other partitions"
            f" ({partitions}, expected {self._partitions}): it is not the log any more"
        )


def _resolve(delivery: Delivery, reason: str | None) -> None:
    if not delivery.done():
        delivery.set_result(reason)
