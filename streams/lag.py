"""How far counting is behind the log: per generation and partition, from the servers alone."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from core.clock import Clock, monotonic_seconds
from core.endpoints import Endpoints
from core.errors import DependencyDownError
from db.clickhouse import connect_clickhouse
from streams.decisions import Decided, in_force, load_decisions
from streams.generation import Generation
from streams.ledger import load_ledger
from streams.succession import load_succession

_WAIT_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 0.2
_MILLIS: Final = 1000
_COORDINATOR: Final = frozenset(
    {
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    }
)


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """Where one partition stands.

    log_end: the offset after the last record, or after the marker that ends the generation; proved:
    the offset up to which the ledger counts without a hole; lag_records: the difference.
    seconds_behind: how long the oldest record that is not counted has been in the log, 0 where all
    are. commit_age_seconds: the same of the oldest record that a restarted worker reads again.
    halted_at, halted_because: the record before which the partition stands still. lost_records:
    records that the log lost before they were counted, or that it ends before.
    """

    generation: int
    partition: int
    log_end: int
    proved: int
    lag_records: int
    seconds_behind: float
    committed: int | None
    commit_age_seconds: float
    halted_at: int | None
    halted_because: str | None
    lost_records: int


def read_lag(endpoints: Endpoints, clock: Clock, group: str | None = None) -> list[PartitionLag]:
    """The lag of every partition of every generation, as of now.

    Raises `ConflictError` before the log is created, `DependencyDownError` while Kafka or
    ClickHouse does not answer.
    """
    client = connect_clickhouse(endpoints.clickhouse)
    consumer = Consumer(
        {
            "bootstrap.servers": endpoints.kafka,
            "group.id": group or endpoints.stream_group(),
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "queued.max.messages.kbytes": 4096,
            "log_level": 0,
        }
    )
    try:
        succession = load_succession(client)
        ends = {(end.generation, end.partition): end.offset for end in succession.ends}
        decided = in_force(load_decisions(client))
        now_ms = clock.now_micros() // _MILLIS
        known = consumer.list_topics(timeout=_WAIT_SECONDS).topics
        gone = {each.number for each in succession.retired if each.topic not in known}
        return [
            lag
            for generation in succession.generations
            if generation.number not in gone  # read to its end, then deleted
            for lag in _of_generation(client, consumer, generation, ends, decided, now_ms)
        ]
    except KafkaException as error:
        raise DependencyDownError(f"Kafka does not answer: {error.args[0]}") from error
    finally:
        consumer.close()
        client.close()


def _of_generation(
    client: Client,
    consumer: Consumer,
    generation: Generation,
    ends: dict[tuple[int, int], int],
    decided: dict[tuple[int, int], Decided],
    now_ms: int,
) -> Iterable[PartitionLag]:
    topic, numbers = generation.topic, range(generation.partitions)
    asked = [TopicPartition(topic, number) for number in numbers]
    committed = {
        found.partition: found.offset if found.offset >= 0 else None
        for found in _committed(consumer, asked)
    }
    marks = {
        number: consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=_WAIT_SECONDS)
        for number in numbers
    }
    for number, (first, end) in marks.items():  # what follows the marker is not part of the log
        marks[number] = first, min(end, ends.get((generation.number, number), end))
    proved = {number: load_ledger(client, generation, number).covered for number in numbers}
    oldest = {
        (number, at): 0.0
        for number in numbers
        for at in (proved[number], committed[number] or 0)
        if at < marks[number][1]
    }
    ages = {
        place: max(0.0, (now_ms - time_ms) / _MILLIS)
        for place, time_ms in _times(consumer, topic, marks, oldest).items()
    }
    for number, (first, end) in marks.items():
        halts = {
            at: why
            for at, why in decided.get((generation.number, number), Decided()).halted.items()
            if at >= proved[number]
        }
        halted_at = min(halts, default=None)
        yield PartitionLag(
            generation=generation.number,
            partition=number,
            log_end=end,
            proved=proved[number],
            lag_records=max(0, end - proved[number]),
            seconds_behind=ages.get((number, proved[number]), 0.0),
            committed=committed[number],
            commit_age_seconds=ages.get((number, committed[number] or 0), 0.0),
            halted_at=halted_at,
            halted_because=None if halted_at is None else halts[halted_at].reason,
            lost_records=max(0, first - proved[number], proved[number] - end),
        )


def _committed(consumer: Consumer, asked: list[TopicPartition]) -> list[TopicPartition]:
    """What the group has committed; a broker that just began takes a moment to know."""
    deadline = monotonic_seconds() + _WAIT_SECONDS
    while True:
        try:
            return list(consumer.committed(asked, timeout=_WAIT_SECONDS))
        except KafkaException as error:
            if error.args[0].code() not in _COORDINATOR or monotonic_seconds() > deadline:
                raise
            time.sleep(_PAUSE_SECONDS)


def _times(
    consumer: Consumer,
    topic: str,
    marks: dict[int, tuple[int, int]],
    places: Iterable[tuple[int, int]],
) -> dict[tuple[int, int], int]:
    """(partition, offset) -> broker time in milliseconds of the first record from there on."""
    found: dict[tuple[int, int], int] = {}
    for number, at in places:
        consumer.assign([TopicPartition(topic, number, max(at, marks[number][0]))])
        message: Any = None
        deadline = monotonic_seconds() + _WAIT_SECONDS
        while message is None or message.error() is not None:
            if monotonic_seconds() > deadline:
                raise DependencyDownError(f"Kafka does not give records of {topic}/{number}")
            message = consumer.poll(0.5)
        found[number, at] = message.timestamp()[1]
    return found
