"""A generation of the log: its topic, partitions, chunk size and horizon, fixed when it is created.

A generation is bound to Kafka's own id of its topic. A topic that was deleted and created again has
the name only: it is another log, and is refused instead of counted again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import pyarrow as pa
from clickhouse_connect.driver.client import Client
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.cimpl import NewTopic

import sql
from core.clock import monotonic_seconds
from core.endpoints import Endpoints
from core.envelope import ENVELOPE_BYTES_MAX
from core.errors import ConflictError, DependencyDownError, InternalError, NotFoundError
from core.events import HORIZON
from db.clickhouse import connect_clickhouse

RETENTION_DAYS: Final = 90
"""How long the broker keeps the log: more than the horizon, so that a repair can always re-read."""

INBOX_RETENTION_DAYS: Final = 14
"""How long the broker keeps the inbox: the longest outage of all bridges that loses nothing."""

INBOX_PARTITIONS: Final = 4

CHUNK_RECORDS: Final = 64
"""Records of a chunk unless an installation says otherwise: right for envelopes of 1,000 events."""

_COMMON_SETTINGS: Final = {
    "message.timestamp.type": "LogAppendTime",
    "cleanup.policy": "delete",
    "retention.bytes": "-1",
    "max.message.bytes": str(ENVELOPE_BYTES_MAX),
    "unclean.leader.election.enable": "false",
}

LOG_SETTINGS: Final = {"retention.ms": str(RETENTION_DAYS * 24 * 3600 * 1000)}
"""What the topic of a generation is created with, beyond what all topics have."""

INBOX_SETTINGS: Final = {"retention.ms": str(INBOX_RETENTION_DAYS * 24 * 3600 * 1000)}
"""The same of the inbox."""

_KAFKA_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Generation:
    """The fixed facts of a generation; `number` counts from 1."""

    number: int
    topic: str
    topic_id: str
    partitions: int
    chunk_records: int
    horizon_seconds: int


def kafka_admin(endpoints: Endpoints) -> AdminClient:
    """An admin client with bounded waits; connects when first used."""
    return AdminClient(
        {
            "bootstrap.servers": endpoints.kafka,
            "socket.timeout.ms": 10_000,
            "log_level": 0,
        }
    )


def topic_id_of(admin: AdminClient, topic: str) -> str | None:
    """Kafka's id of a topic, or None where there is no such topic. Raises `DependencyDownError`."""
    future = admin.describe_topics(TopicCollection([topic]), request_timeout=_KAFKA_SECONDS)[topic]
    try:
        return str(future.result().topic_id)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return None
        raise DependencyDownError(f"Kafka does not describe {topic}: {error}") from error


def create_topics(admin: AdminClient, topics: Mapping[str, tuple[int, Mapping[str, str]]]) -> None:
    """Create the topics that do not exist: name -> partitions and settings beyond the common ones.

    Raises `DependencyDownError` when Kafka does not answer or refuses.
    """
    try:
        copies = min(3, len(admin.list_topics(timeout=_KAFKA_SECONDS).brokers))
        common = _COMMON_SETTINGS | {
            "min.insync.replicas": str(2 if copies == 3 else 1),  # noqa: PLR2004 - 2 of 3
        }
        wanted = [
            NewTopic(name, partitions, copies, config=common | dict(settings))
            for name, (partitions, settings) in topics.items()
        ]
        for topic, future in admin.create_topics(wanted, request_timeout=_KAFKA_SECONDS).items():
            try:
                future.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise DependencyDownError(f"Kafka does not create {topic}: {error}") from error
    except KafkaException as error:
        raise DependencyDownError(f"Kafka does not answer: {error}") from error


def await_topic_id(admin: AdminClient, topic: str) -> str:
    """The id of a topic just created: brokers learn of it a moment after the controller does."""
    deadline = monotonic_seconds() + _KAFKA_SECONDS
    while (topic_id := topic_id_of(admin, topic)) is None:
        if monotonic_seconds() > deadline:
            raise DependencyDownError(f"Kafka does not show {topic}", retry_after_seconds=2)
        time.sleep(_POLL_SECONDS)
    return topic_id


def load_generations(client: Client) -> list[Generation]:
    """The stored facts of all generations, the oldest first; none before the log is created.

    Raises `InternalError` when two topics claim the same generation.
    """
    rows = client.query(sql.load("clickhouse/queries/load_generations")).result_rows
    found = [Generation(*row) for row in rows]
    if [generation.number for generation in found] != list(range(1, len(found) + 1)):
        raise InternalError(
            f"the generations are not numbered 1 to {len(found)}, once each: {rows}"
        )
    return found


def generations_of(endpoints: Endpoints) -> list[Generation]:
    """The same, over a connection of its own. Raises `NotFoundError` before the log is created."""
    client = connect_clickhouse(endpoints.clickhouse)
    try:
        found = load_generations(client)
    finally:
        client.close()
    if not found:
        raise NotFoundError("the log was not created yet: run `tollbook migrate`")
    return found


def load_generation(client: Client, number: int = 1) -> Generation | None:
    """The stored facts of one generation, or None before it is created."""
    return next((found for found in load_generations(client) if found.number == number), None)


def ensure_generation(
    endpoints: Endpoints, partitions: int = 4, chunk_records: int = CHUNK_RECORDS
) -> Generation:
    """Create the topics and bind generation 1 to them, unless that was done before.

    Returns the newest generation. Raises `ConflictError` when its topic is not the one that it was
    bound to, and `DependencyDownError` when Kafka or ClickHouse does not answer.
    """
    first = endpoints.usage_events_topic()
    client = connect_clickhouse(endpoints.clickhouse)
    try:
        admin = kafka_admin(endpoints)
        bound = load_generations(client)
        log = {} if bound else {first: (partitions, LOG_SETTINGS)}
        letters = {"retention.ms": LOG_SETTINGS["retention.ms"]}
        others = {
            endpoints.dead_letters_topic(): (1, letters),
            endpoints.inbox_topic(): (INBOX_PARTITIONS, INBOX_SETTINGS),
        }
        create_topics(admin, log | others)
        if not bound:
            topic_id = await_topic_id(admin, first)
            horizon = HORIZON // timedelta(seconds=1)
            store_generation(
                client, Generation(1, first, topic_id, partitions, chunk_records, horizon)
            )
            bound = load_generations(client)
        newest = bound[-1]
        check_topic(admin, newest, endpoints.usage_events_topic(newest.number))
        return newest
    finally:
        client.close()


def check_topic(admin: AdminClient, bound: Generation, topic: str) -> None:
    """Raise `ConflictError` unless `topic` is still the very topic the generation was bound to."""
    now = topic_id_of(admin, topic)
    if (topic, now) != (bound.topic, bound.topic_id):
        raise ConflictError(
            f"generation {bound.number} of the log is the topic {bound.topic} with the id"
            f" {bound.topic_id}, but {topic} has the id {now}: it was deleted or created again."
            " Nothing was read or written. Restore the topic with its id from a backup or mirror;"
            " where it is lost, start an empty installation under another TOLLBOOK_TOPIC_PREFIX."
        )


_LOG_SETTINGS: Final = {
    "retention.bytes": "-1",
    "message.timestamp.type": "LogAppendTime",
    "cleanup.policy": "delete",
    "unclean.leader.election.enable": "false",
}


def check_log(admin: AdminClient, bound: Generation) -> None:
    """Raise `ConflictError` unless the broker keeps the log as the rules of the log need it.

    Broker time is part of the log, nothing is compacted away, and it is kept for longer than the
    horizon, so that whatever ClickHouse loses can be read again.
    """
    resource = ConfigResource(ConfigResource.Type.TOPIC, bound.topic)
    try:
        entries = admin.describe_configs([resource], request_timeout=_KAFKA_SECONDS)[
            resource
        ].result()
        metadata = admin.list_topics(bound.topic, timeout=_KAFKA_SECONDS)
    except KafkaException as error:
        raise DependencyDownError(f"Kafka does not describe {bound.topic}: {error}") from error
    found = {name: entries[name].value for name in (*_LOG_SETTINGS, "retention.ms")}
    wrong = {name: found[name] for name, value in _LOG_SETTINGS.items() if found[name] != value}
    retention_ms = int(found["retention.ms"])
    if 0 <= retention_ms <= bound.horizon_seconds * 1000:
        wrong["retention.ms"] = found["retention.ms"]
    partitions = len(metadata.topics[bound.topic].partitions)
    if partitions != bound.partitions:
        wrong["partitions"] = str(partitions)
    if wrong:
        raise ConflictError(
            f"{bound.topic}: {wrong} cannot carry the log; it needs {_LOG_SETTINGS}, retention.ms"
            f" over {bound.horizon_seconds * 1000} and {bound.partitions} partitions"
        )


def store_generation(client: Client, made: Generation) -> None:
    """Bind a generation to its topic, for good."""
    names = ("generation", "topic", "topic_id", "partitions", "chunk_records", "horizon_seconds")
    values = (
        made.number, made.topic, made.topic_id, made.partitions, made.chunk_records,
        made.horizon_seconds,
    )  # fmt: skip
    columns = {name: [value] for name, value in zip(names, values, strict=True)}
    client.insert_arrow("stream_generations", pa.table(columns))
