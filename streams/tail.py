"""The newest events of the log, and those that come, as Kafka has them: before any verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Final

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from core.clock import monotonic_seconds
from core.endpoints import Endpoints
from core.envelope import decode_envelope
from core.errors import DependencyDownError, ValidationError
from streams.generation import Generation
from streams.own_consumer import own_consumer

_NAME: Final = "tollbook-tail"
_WAIT_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.2
_BATCH: Final = 100
_RECORDS_BACK_MAX: Final = 200
"""Of each partition: how far back the newest events are looked for."""


@dataclass(frozen=True, slots=True)
class Logged:
    """An event as it stands in the log, at `position` generation/partition/offset/row."""

    position: str
    log_time_ms: int
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: str


def tail(
    endpoints: Endpoints, generation: Generation, tenant_id: str, count: int, *, follow: bool
) -> Iterator[Logged]:
    """The newest `count` events of a tenant, oldest first; with `follow` all that come, for ever.

    Of the newest 200 records of each partition: a tenant that sends little among others that send
    much may have older ones. Raises `DependencyDownError`.
    """
    with own_consumer(endpoints, _NAME) as consumer:
        try:
            ends = _ends(consumer, generation)
            back = min(count, _RECORDS_BACK_MAX)
            starts = {p: max(first, end - back) for p, (first, end) in ends.items()}
            consumer.assign(
                [TopicPartition(generation.topic, p, start) for p, start in starts.items()]
            )
            found: list[Logged] = []
            left = {p: end for p, (_, end) in ends.items() if end > starts[p]}
            while left:  # what came since does not stand for what was there
                message = _next(consumer)
                found += _events(message, generation, tenant_id)
                partition, offset = message.partition(), message.offset()
                assert partition is not None
                assert offset is not None
                if offset + 1 >= left.get(partition, offset + 2):
                    del left[partition]
            found.sort(key=attrgetter("log_time_ms"))
            yield from found[len(found) - min(count, len(found)) :]
            while follow:
                for message in consumer.consume(_BATCH, _POLL_SECONDS):
                    yield from _events(_checked(message), generation, tenant_id)
        except KafkaException as error:
            raise DependencyDownError(f"Kafka does not answer: {error.args[0]}") from error


def _ends(consumer: Consumer, generation: Generation) -> dict[int, tuple[int, int]]:
    """First offset and end of each partition."""
    found = {}
    for number in range(generation.partitions):
        place = TopicPartition(generation.topic, number)
        found[number] = consumer.get_watermark_offsets(place, timeout=_WAIT_SECONDS)
    return found


def _next(consumer: Consumer) -> Message:
    deadline = monotonic_seconds() + _WAIT_SECONDS
    while (message := consumer.poll(_POLL_SECONDS)) is None:
        if monotonic_seconds() > deadline:
            raise DependencyDownError("Kafka does not give the log in time")
    return _checked(message)


def _checked(message: Message) -> Message:
    error = message.error()
    if error is not None:
        raise DependencyDownError(f"Kafka does not give the log: {error}")
    return message


def _events(message: Message, generation: Generation, tenant_id: str) -> list[Logged]:
    """Of one record; nothing of one that workers will reject."""
    try:
        batch = decode_envelope(message.value() or b"")
    except ValidationError:
        return []
    place = f"{generation.number}/{message.partition()}/{message.offset()}"
    return [
        Logged(
            f"{place}/{row}", message.timestamp()[1], event["id"], event["source"], event["type"],
            event["subject"], event["time"], event["data"].decode(errors="replace"),
        )
        for row, event in enumerate(batch.to_pylist())
        if event["tenant_id"] == tenant_id
    ]  # fmt: skip
