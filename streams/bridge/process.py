"""The bridge process: reads the inbox, or a topic of one tenant, until it is told to stop."""

from __future__ import annotations

import logging
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource

from core.clock import monotonic_seconds
from core.endpoints import Endpoints
from core.errors import ConflictError, DependencyDownError, TollbookError
from core.events import HORIZON
from db.clickhouse import connect_clickhouse
from streams.bridge.convert import InboxConverter
from streams.generation import Generation, kafka_admin, load_generations
from streams.log_writer import LogWriter
from streams.relay import Relay, Source, run_relay
from streams.sink import Stopped, until_done

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS: Final = 2.0
_KAFKA_SECONDS: Final = 10.0
_KEPT_MS_MAX: Final = (HORIZON - timedelta(days=1)) // timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class BridgeSettings:
    """How one bridge runs.

    `worker_id` names it to the broker: unique among bridges. `topic` is the full name of what it
    reads, the installation's inbox where None; `tenant_id` says whose topic that is, None where
    each record says it in a header.
    """

    endpoints: Endpoints
    worker_id: str
    topic: str | None = None
    tenant_id: str | None = None


class NewestGeneration:
    """Looks, every few seconds, which generation of the log is written to."""

    def __init__(self, endpoints: Endpoints, stop: threading.Event) -> None:
        self._endpoints = endpoints
        self._next_look = 0.0
        self.generation = until_done(self._load, stop)

    def follow(self, writer: LogWriter) -> None:
        """Tell the writer of a newer generation; a database that is down is asked again later."""
        if monotonic_seconds() < self._next_look:
            return
        try:
            found = self._load()
        except (TollbookError, OSError) as error:
            _LOG.warning("the newest generation is not known: %s", error)
            self._next_look = monotonic_seconds() + _LOOK_SECONDS
            return
        if found.number > writer.generation.number:
            _LOG.info("writes to generation %d from now on", found.number)
            writer.generation = found

    def _load(self) -> Generation:
        client = connect_clickhouse(self._endpoints.clickhouse)
        try:
            generations = load_generations(client)
        finally:
            client.close()
        if not generations:
            raise ConflictError("the log was not created yet: run `tollbook migrate`")
        newest = generations[-1]
        if newest.topic != self._endpoints.usage_events_topic(newest.number):
            raise ConflictError(
                f"these ClickHouse tables belong to the log {newest.topic}: check"
                " TOLLBOOK_TOPIC_PREFIX"
            )
        self._next_look = monotonic_seconds() + _LOOK_SECONDS
        return newest


def check_inbox(admin: AdminClient, topic: str) -> None:
    """Raise `ConflictError` unless records of the topic can be read again without counting twice.

    Broker time is what they carry: the receive time of an event has to be the same each time. And
    they are gone before the log forgets their keys: Kafka forgets the place of a bridge that was
    away for days, and then it begins at the oldest one.
    """
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    try:
        if topic not in admin.list_topics(timeout=_KAFKA_SECONDS).topics:
            raise ConflictError(f"the topic {topic} does not exist: run `tollbook migrate`")
        described = admin.describe_configs([resource], request_timeout=_KAFKA_SECONDS)
        found = {name: entry.value for name, entry in described[resource].result().items()}
    except KafkaException as error:
        raise DependencyDownError(f"Kafka does not describe {topic}: {error}") from error
    if (kind := found["message.timestamp.type"]) != "LogAppendTime":
        raise ConflictError(
            f"{topic}: message.timestamp.type is {kind}: set it to LogAppendTime, the receive time"
            " of an event is the broker's"
        )
    kept_ms = int(found["retention.ms"])
    if found["cleanup.policy"] != "delete" or not 0 <= kept_ms <= _KEPT_MS_MAX:
        raise ConflictError(
            f"{topic}: cleanup.policy is {found['cleanup.policy']} and retention.ms is {kept_ms}:"
            f" set them to delete and at most {_KEPT_MS_MAX}. Copies of an event are recognised for"
            f" {HORIZON.days} days, so older records must not be read again"
        )


def run_bridge(settings: BridgeSettings) -> None:
    """Bridge until SIGTERM. Raises `ConflictError` when it may not go on."""
    logging.basicConfig(level=logging.INFO, format="[%(asctime)s] %(levelname)s %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with suppress(Stopped):
        _bridge(settings, stop)


def _bridge(settings: BridgeSettings, stop: threading.Event) -> None:
    endpoints = settings.endpoints
    topic = settings.topic or endpoints.inbox_topic()
    admin = kafka_admin(endpoints)
    until_done(lambda: check_inbox(admin, topic), stop)
    newest = NewestGeneration(endpoints, stop)
    writer = LogWriter(endpoints, newest.generation, "tollbook-bridge")
    source = Source(endpoints, endpoints.bridge_group(), settings.worker_id, [topic])
    relay = Relay(source, writer, InboxConverter(settings.tenant_id), stop)
    _LOG.info("bridges %s into generation %d of the log", topic, newest.generation.number)
    run_relay(relay, stop, lambda: newest.follow(writer))
