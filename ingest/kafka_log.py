"""The log as ingest sees it: append an envelope, learn whether Kafka has it.

One librdkafka producer, whose callbacks the event loop runs, and a thread that asks every second
whether Kafka is there. A thread for the callbacks would wait for the interpreter's lock before each
of them, up to 5 ms while the loop is busy. The producer retries by itself until `delivery_seconds`
are over; idempotence keeps its retries from making copies. After a fatal error librdkafka refuses
everything for good, so the producer is replaced; copies that this may make are caught by their
keys.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from threading import Event, Thread
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._metadata import TopicMetadata

from core.clock import monotonic_seconds
from core.envelope import ENVELOPE_BYTES_MAX, envelope_headers
from core.faults import reach
from ingest.log_topic import Following, LogTopic
from ingest.passage import Origin, Passage
from ingest.settings import IngestSettings

_log: Final = logging.getLogger(__name__)
_BUSY_POLL_SECONDS: Final = 0.001
_IDLE_POLL_SECONDS: Final = 0.1
_QUEUE_KBYTES: Final = 128 * 1024
_QUEUE_RECORDS: Final = 100_000

Delivery = asyncio.Future[str | None]
"""Resolves to None once all in-sync replicas have the envelope, else to the reason why not."""


class KafkaLog:
    """Appends envelopes to the newest generation of the log. Its methods belong to one event loop.

    `wrong_log` is true while a topic is another one than when this process saw it first.
    """

    def __init__(self, settings: IngestSettings) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._stop = Event()
        self._probed = Event()
        self._following = Following(settings.endpoints)
        self._admin = AdminClient({"bootstrap.servers": settings.endpoints.kafka, "log_level": 0})
        self._fault: str | None = "not asked yet"
        self._is_fatal = self._is_busy = False
        self._producer = self._create_producer()
        self._broken: list[Producer] = []
        """Replaced ones that have not told everything yet."""
        self._timer = self._loop.call_later(_IDLE_POLL_SECONDS, self._poll)
        self._probes = Thread(target=self._run_probes, name="kafka-probes", daemon=True)
        self._probes.start()

    @property
    def topic(self) -> LogTopic | None:
        """Where events go now; None until Kafka answered once. A newer generation replaces it."""
        return self._following.topic

    @property
    def wrong_log(self) -> bool:
        """Whether events would go into a topic that is not the log."""
        return self._following.wrong_log

    @property
    def fault(self) -> str | None:
        """Why Kafka cannot be used right now; None while it answers."""
        return self._fault

    def append(
        self,
        topic: LogTopic,
        partition: int,
        value: bytes,
        events: int,
        origins: Sequence[Origin] = (),
    ) -> Delivery:
        """Hand one envelope of `events` events, which came with `origins`, to the producer.

        `topic` is the one that `partition` was counted by. What comes behind its end is carried
        over into the next generation.
        """
        reach("ingest_before_produce")
        delivery: Delivery = self._loop.create_future()
        passage = Passage(origins, partition, events)
        try:
            self._producer.produce(
                topic.name,
                value=value,
                partition=partition,
                headers=[*envelope_headers(events), *passage.headers],
                on_delivery=partial(self._delivered, delivery, passage),
            )
        except BufferError:
            self._refuse(delivery, passage, "the producer's queue is full")
        except KafkaException as error:
            self._note_error(error.args[0])
            self._refuse(delivery, passage, str(error.args[0]))
        if not self._is_busy:
            self._poll_in(_BUSY_POLL_SECONDS)
        return delivery

    @staticmethod
    def _refuse(delivery: Delivery, passage: Passage, reason: str) -> None:
        passage.ended(reason, None, None)
        delivery.set_result(reason)

    async def first_probe(self) -> None:
        """Wait until Kafka was asked once, so that a server does not begin by refusing events."""
        await asyncio.to_thread(self._probed.wait, self._settings.delivery_seconds)

    async def close(self) -> None:
        """Wait for what is on its way, at most `delivery_seconds`, then stop."""
        reach("ingest_while_stopping")
        deadline = monotonic_seconds() + self._settings.delivery_seconds
        while self._is_awaited() and monotonic_seconds() < deadline:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(_BUSY_POLL_SECONDS)
        self._timer.cancel()
        self._stop.set()
        await asyncio.to_thread(self._probes.join)

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

    def _poll_in(self, seconds: float) -> None:
        self._is_busy = seconds == _BUSY_POLL_SECONDS
        self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._poll)

    def _poll(self) -> None:
        """Run the callbacks for all that has happened since the last time."""
        try:
            for producer in (self._producer, *self._broken):
                producer.poll(0)
            self._broken = [producer for producer in self._broken if len(producer)]
            if self._is_fatal:
                self._replace_producer()
        finally:
            self._poll_in(_BUSY_POLL_SECONDS if self._is_awaited() else _IDLE_POLL_SECONDS)

    def _is_awaited(self) -> bool:
        """Whether a producer has not told everything yet, a replaced one neither."""
        return bool(len(self._producer) or self._broken)

    def _replace_producer(self) -> None:
        self._is_fatal, broken = False, self._producer
        self._producer = self._create_producer()
        broken.purge()
        self._broken.append(broken)
        _log.warning("replaced the Kafka producer after a fatal error")

    def _note_error(self, error: KafkaError) -> None:
        """Called by librdkafka for errors that belong to no single record."""
        if error.fatal() or error.code() == KafkaError._FATAL:  # noqa: SLF001 - its public name
            self._is_fatal = True

    def _delivered(
        self, delivery: Delivery, passage: Passage, error: KafkaError | None, message: Message
    ) -> None:
        """Called once for each envelope."""
        reach("ingest_on_acknowledgement")
        if error is not None:
            self._note_error(error)
        reason = None if error is None else str(error)
        if not delivery.done():
            delivery.set_result(reason)
        passage.ended(reason, message.partition(), message.offset())

    def _run_probes(self) -> None:
        """Keep `fault` and `topic` true. All topics are listed: naming one may create it."""
        while not self._stop.is_set():
            try:
                topics = self._producer.list_topics(timeout=self._settings.probe_seconds * 2).topics
                name = self._following.newest_of(topics)
                self._look_at(name, topics[name])
            except KafkaException as error:
                self._fault = str(error.args[0])
            except KeyError as error:
                self._fault = f"the topic {error.args[0]} does not exist: run `tollbook migrate`"
            except Exception as error:  # noqa: BLE001 - a dead thread would freeze the fault for good
                self._fault = f"Kafka does not answer: {error!r}"
            self._probed.set()
            self._stop.wait(self._settings.probe_seconds)

    def _look_at(self, name: str, metadata: TopicMetadata) -> None:
        """Follow the newest topic of the log, once all its partitions can be written to."""
        partitions, before = metadata.partitions, self._following.topic
        number = self._settings.endpoints.generation_of(name)
        assert number is not None
        is_new = before is None or number > before.generation
        if is_new and (not partitions or any(part.leader < 0 for part in partitions.values())):
            return  # it is being created: the next probe looks again
        topic_id = self._read_topic_id(name)
        self._following.see(LogTopic(number, name, len(partitions), topic_id))
        self._fault = self._following.fault
        if before is not None and self._following.topic != before:
            _log.warning("events go to generation %d of the log from now on", number)

    def _read_topic_id(self, name: str) -> str:
        described = self._admin.describe_topics(TopicCollection([name]))[name]
        return str(described.result(timeout=self._settings.probe_seconds * 2).topic_id)
