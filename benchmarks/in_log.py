"""What is in Kafka after a run: the check that nothing was lost on the way there."""

from __future__ import annotations

from contextlib import closing
from typing import Final

from confluent_kafka import Consumer, TopicPartition

from benchmarks.errors import BenchmarkError
from core.endpoints import Endpoints

_WAIT_SECONDS: Final = 10.0


def logged_events(endpoints: Endpoints, topic: str) -> int:
    """Events in a topic: an envelope says in a header how many it has, a plain record is one.

    Raises `BenchmarkError` where Kafka does not give all records.
    """
    settings = {
        "bootstrap.servers": endpoints.kafka, "group.id": "counting",
        "enable.auto.commit": False, "log_level": 0,
    }  # fmt: skip
    with closing(Consumer(settings)) as consumer:
        partitions = consumer.list_topics(topic, _WAIT_SECONDS).topics[topic].partitions
        places = [TopicPartition(topic, number, 0) for number in partitions]
        left = sum(consumer.get_watermark_offsets(at, _WAIT_SECONDS)[1] for at in places)
        consumer.assign(places)
        events = 0
        while left:
            messages = consumer.consume(min(left, 10_000), _WAIT_SECONDS)
            if not messages:
                raise BenchmarkError(f"Kafka does not give the last {left} records")
            left -= len(messages)
            for message in messages:
                count = dict(message.headers() or []).get("tollbook-events", b"1")
                assert isinstance(count, bytes)
                events += int(count)
        return events
