"""Whether derived tables can be made again: who is at work, and how far back the log reaches."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import closing
from typing import Final, NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from core.clock import monotonic_seconds
from core.endpoints import Endpoints
from core.errors import ConflictError, DependencyDownError
from streams.generation import Generation, check_topic, kafka_admin

_KAFKA_SECONDS: Final = 10.0
_GONE_SECONDS: Final = 15.0
"""A worker that ended stays a member of its group for its session timeout."""

_POLL_SECONDS: Final = 0.5


class Span(NamedTuple):
    """The offsets of a partition that the broker has: from `first` up to, not including, `end`."""

    first: int
    end: int


def running_workers(endpoints: Endpoints) -> list[str]:
    """The ids of the workers in the installation's group, those of the last seconds among them."""
    admin, group = kafka_admin(endpoints), endpoints.stream_group()
    asked = admin.describe_consumer_groups([group], request_timeout=_KAFKA_SECONDS)
    try:
        found = asked[group].result()
    except KafkaException as error:
        raise DependencyDownError(f"Kafka does not describe {group}: {error}") from error
    return sorted(
        {_worker_id(member.group_instance_id or member.client_id) for member in found.members}
    )


def _worker_id(member_id: str) -> str:
    """`a` of `a-1`: a worker is a member of the group as its id and its generation's number."""
    worker_id, _, generation = member_id.rpartition("-")
    return worker_id if worker_id and generation.isdecimal() else member_id


def require_no_workers(endpoints: Endpoints, seconds: float = _GONE_SECONDS) -> None:
    """Raise `ConflictError` while workers run; waits until those that ended are forgotten.

    A worker that goes on would prove chunks after those that were emptied under it, and skip these
    until it starts again.
    """
    deadline = monotonic_seconds() + seconds
    while workers := running_workers(endpoints):
        if monotonic_seconds() > deadline:
            raise ConflictError(
                f"stream workers are running: {', '.join(workers)}. Stop them, and those of other"
                " consumer groups, then try again; nothing was changed"
            )
        time.sleep(_POLL_SECONDS)


def log_spans(
    endpoints: Endpoints, generations: Iterable[Generation]
) -> dict[tuple[int, int], Span]:
    """(generation, partition) -> what the broker has of it.

    Raises `ConflictError` when a topic is not the one that its generation was bound to.
    """
    admin, spans = kafka_admin(endpoints), {}
    settings = {
        "bootstrap.servers": endpoints.kafka, "group.id": "tollbook-look", "log_level": 0,
    }  # fmt: skip
    with closing(Consumer(settings)) as consumer:
        for generation in generations:
            check_topic(admin, generation, generation.topic)
            for number in range(generation.partitions):
                where = TopicPartition(generation.topic, number)
                try:
                    found = consumer.get_watermark_offsets(where, timeout=_KAFKA_SECONDS)
                except KafkaException as error:
                    raise DependencyDownError(f"Kafka does not answer: {error}") from error
                spans[generation.number, number] = Span(*found)
    return spans


def require_whole_log(spans: dict[tuple[int, int], Span]) -> None:
    """Raise `ConflictError` unless the log reaches back to its beginning in every partition."""
    lost = {f"{g}/{p}": span.first for (g, p), span in spans.items() if span.first}
    if lost:
        places = ", ".join(f"{part} begins at offset {first}" for part, first in lost.items())
        raise ConflictError(
            f"the log does not reach back to its beginning: {places}. What was deleted from it"
            " stands in the tables alone, so nothing was emptied. `tollbook rebuild --usage-only`"
            " makes the totals again from the stored events"
        )
