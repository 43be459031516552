"""A generation of the log: its topic, partitions, chunk size and horizon, fixed when it is created.

A generation is bound to Kafka's own id of its topic. A topic that was deleted and created again has
the name only: it is another log, and is refused instead of counted again.
"""

from __future__ import annotations

import time
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
from core.errors import ConflictError, DependencyDownError, InternalError
from core.events import HORIZON
from db.clickhouse import connect_clickhouse

RETENTION_DAYS: Final = 90
"""How long the broker keeps the log: more than the horizon, so that a repair can always re-read."""

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


def _create_topics(admin: AdminClient, endpoints: Endpoints, partitions: int) -> None:
    brokers = len(admin.list_topics(timeout=_KAFKA_SECONDS).brokers)
    copies = min(3, brokers)
    config = {
        "message.timestamp.type": "LogAppendTime",
        "cleanup.policy": "delete",
        "retention.bytes": "-1",
        "retention.ms": str(RETENTION_DAYS * 24 * 3600 * 1000),
        "max.message.bytes": str(ENVELOPE_BYTES_MAX),
        "min.insync.replicas": str(2 if copies == 3 else 1),  # noqa: PLR2004 - 2 of 3
        "unclean.leader.election.enable": "false",
    }
    topics = [
        NewTopic(endpoints.usage_events_topic(), partitions, copies, config=config),
        NewTopic(endpoints.dead_letters_topic(), 1, copies, config=config),
    ]
    for topic, future in admin.create_topics(topics, request_timeout=_KAFKA_SECONDS).items():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise DependencyDownError(f"Kafka does not create {topic}: {error}") from error


def _await_topic_id(admin: AdminClient, topic: str) -> str:
    """The id of a topic just created: brokers learn of it a moment after the controller does."""
    deadline = monotonic_seconds() + _KAFKA_SECONDS
    while (topic_id := topic_id_of(admin, topic)) is None:
        if monotonic_seconds() > deadline:
            raise DependencyDownError(f"Kafka does not show {topic}", retry_after_seconds=2)
        time.sleep(_POLL_SECONDS)
    return topic_id


def load_generation(client: Client, number: int = 1) -> Generation | None:
    """The stored facts of a generation, or None before it is created.

    Raises `InternalError` when two topics claim the same generation.
    """
    rows = client.query(
        sql.load("clickhouse/queries/load_generation"), parameters={"generation": number}
    ).result_rows
    if len(rows) > 1:
        raise InternalError(f"generation {number} is bound to {len(rows)} topics: {rows}")
    return Generation(*rows[0]) if rows else None


def ensure_generation(
    endpoints: Endpoints, partitions: int = 4, chunk_records: int = 64
) -> Generation:
    """Create the topics and bind generation 1 to them, unless that was done before.

    Raises `ConflictError` when the topic is not the one that the generation was bound to, and
    `DependencyDownError` when Kafka or ClickHouse does not answer.
    """
    topic = endpoints.usage_events_topic()
    client = connect_clickhouse(endpoints.clickhouse)
    try:
        admin = kafka_admin(endpoints)
        bound = load_generation(client)
        if bound is None:
            try:
                _create_topics(admin, endpoints, partitions)
            except KafkaException as error:
                raise DependencyDownError(f"Kafka does not answer: {error}") from error
            topic_id = _await_topic_id(admin, topic)
            horizon = HORIZON // timedelta(seconds=1)
            made = Generation(1, topic, topic_id, partitions, chunk_records, horizon)
            _store(client, made)
            bound = load_generation(client)
        assert bound is not None
        check_topic(admin, bound, topic)
        return bound
    finally:
        client.close()


def check_topic(admin: AdminClient, bound: Generation, topic: str) -> None:
    """Raise `ConflictError` unless `topic` is still the very topic the generation was bound to."""
    now = topic_id_of(admin, topic)
    if (topic, now) != (bound.topic, bound.topic_id):
        raise ConflictError(
            f"generation {bound.number} of the log is the topic {bound.topic} with the id"
            f" {bound.topic_id}, but {topic} has the id {now}: it was deleted or created again."
            " Nothing was read or written; restore the topic or start a new generation."
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


def _store(client: Client, made: Generation) -> None:
    names = ("generation", "topic", "topic_id", "partitions", "chunk_records", "horizon_seconds")
    values = (
        made.number, made.topic, made.topic_id, made.partitions, made.chunk_records,
        made.horizon_seconds,
    )  # fmt: skip
    columns = {name: [value] for name, value in zip(names, values, strict=True)}
    client.insert_arrow("stream_generations", pa.table(columns))
