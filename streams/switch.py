"""Starting the next generation of the log: other partitions, and nothing lost on the way."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from clickhouse_connect.driver.client import Client
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient

from core.endpoints import Endpoints
from core.errors import ConflictError, DependencyDownError, ValidationError
from core.generation_end import end_marker, end_marker_headers
from db.clickhouse import connect_clickhouse
from streams.generation import (
    LOG_SETTINGS,
    Generation,
    await_topic_id,
    check_log,
    check_topic,
    create_topics,
    kafka_admin,
    store_generation,
)
from streams.succession import Succession, load_succession

PARTITIONS_MAX: Final = 4_096
FOLLOW_SECONDS: Final = 5.0
"""Longer than ingest and bridges take to notice a new generation and to deliver what is under way:
a look every one to two seconds."""

_MARKER_SECONDS: Final = 20.0
_KAFKA_SECONDS: Final = 10.0


def list_generations(endpoints: Endpoints) -> Succession:
    """All generations. Raises `ConflictError` before the log is created, `DependencyDownError`."""
    client = connect_clickhouse(endpoints.clickhouse)
    try:
        return load_succession(client)
    finally:
        client.close()


def begin_generation(
    endpoints: Endpoints,
    partitions: int,
    chunk_records: int | None = None,
    follow_seconds: float = FOLLOW_SECONDS,
) -> Generation:
    """Start the next generation of the log with `partitions` partitions, and end the one before.

    Between the two it waits for `follow_seconds`, in which producers notice the new topic. What
    others still write to the old one is carried over, but then comes after what they wrote to the
    new one: of two copies with unlike content that are sent meanwhile, the later could be first.

    Safe to repeat: after an interruption the same call finishes what was begun, and once all is
    done it changes nothing. The order makes it so: the topic, its binding, then the markers, of
    which a second one says nothing. Raises
    `ValidationError`, `ConflictError` when a switch to other partitions is still under way or when
    a topic is not the one it should be, and `DependencyDownError`.
    """
    if not 1 <= partitions <= PARTITIONS_MAX:
        raise ValidationError(f"--partitions: expected 1 to {PARTITIONS_MAX}, got {partitions}")
    client, admin = connect_clickhouse(endpoints.clickhouse), kafka_admin(endpoints)
    try:
        now = load_succession(client)
        newest = now.newest
        if now.reading == newest:
            if (newest.partitions, chunk_records or newest.chunk_records) == (
                partitions,
                newest.chunk_records,
            ):
                return newest
            old = newest
            new = _create(client, admin, endpoints, old, partitions, chunk_records)
        else:
            old, new = now.generations[-2:]
            if new.partitions != partitions or old != now.reading:
                raise ConflictError(
                    f"the switch to generation {new.number} ({new.partitions} partitions) is under"
                    f" way: generation {now.reading.number} has ended in"
                    f" {now.ended_partitions(now.reading.number)} of {now.reading.partitions}"
                    " partitions. Wait until workers have read it to its end; to finish an"
                    f" interrupted switch, repeat it with --partitions {new.partitions}."
                )
        for generation in (old, new):
            check_topic(admin, generation, endpoints.usage_events_topic(generation.number))
            check_log(admin, generation)
    finally:
        client.close()
    time.sleep(follow_seconds)
    write_markers(endpoints, old)
    return new


def _create(
    client: Client,
    admin: AdminClient,
    endpoints: Endpoints,
    old: Generation,
    partitions: int,
    chunk_records: int | None,
) -> Generation:
    """Create the topic and bind the generation to it."""
    number = old.number + 1
    topic = endpoints.usage_events_topic(number)
    create_topics(admin, {topic: (partitions, LOG_SETTINGS)})
    topic_id = await_topic_id(admin, topic)
    try:
        found = len(admin.list_topics(topic, timeout=_KAFKA_SECONDS).topics[topic].partitions)
    except KafkaException as error:
        raise DependencyDownError(f"Kafka does not answer: {error}") from error
    if found != partitions:
        raise ConflictError(
            f"the topic {topic} exists already with {found} partitions: begin with"
            f" --partitions {found}, or delete the topic if nothing was written to it"
        )
    chunk = old.chunk_records if chunk_records is None else chunk_records
    made = Generation(number, topic, topic_id, partitions, chunk, old.horizon_seconds)
    check_log(admin, made)
    store_generation(client, made)
    stored = load_succession(client).newest
    if stored != made:
        raise ConflictError(f"generation {number} was begun by somebody else: {stored}")
    return made


def write_markers(endpoints: Endpoints, old: Generation) -> None:
    """Write an end marker into each partition. Raises `DependencyDownError`: then repeat it."""
    failed: list[str] = []

    def report(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(str(error))

    producer = Producer(
        {
            "bootstrap.servers": endpoints.kafka,
            "acks": "all",
            "enable.idempotence": True,
            "delivery.timeout.ms": int(_MARKER_SECONDS * 1000),
            "log_level": 0,
        }
    )
    headers: Sequence[tuple[str, bytes]] = end_marker_headers()
    for partition in range(old.partitions):
        producer.produce(
            old.topic,
            value=end_marker(old.number),
            partition=partition,
            headers=list(headers),
            on_delivery=report,
        )
    if producer.flush(_MARKER_SECONDS + 1) or failed:
        raise DependencyDownError(
            f"Kafka did not take every end marker of generation {old.number}: {failed[:1]}."
            " Repeat the command; nothing was lost."
        )
