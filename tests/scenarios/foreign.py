"""A foreign producer: CloudEvents written to Kafka in every mode, and the journal of it."""

from __future__ import annotations

import json
import random
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from core.endpoints import Endpoints
from tests.scenarios.traffic import Journal
from tests.scenarios.world import World

PARTITIONS = 4


class Foreign:
    """Writes to one topic and remembers what it wrote."""

    def __init__(self, world: World, topic: str) -> None:
        self.endpoints, self.topic = world.endpoints, topic
        self.tenant = str(world.tenant_id).encode()
        self.journal = Journal()
        self.bad = 0
        self._producer = Producer({"bootstrap.servers": world.endpoints.kafka, "log_level": 0})

    def send(self, rng: random.Random, events: list[dict[str, Any]]) -> None:
        """Write events as single, batched and binary records, in that order within a partition."""
        self.journal.write(events)
        rest = list(events)
        while rest:
            mode = rng.choice(("single", "batch", "binary"))
            many = rng.randint(1, 20) if mode == "batch" else 1
            some, rest = rest[:many], rest[many:]
            getattr(self, f"_send_{mode}")(rng, some)
        self._producer.flush(30)

    def send_bad(self, rng: random.Random, value: bytes, headers: dict[str, bytes]) -> None:
        """Write something that no event can be read from."""
        self.bad += 1
        self._produce(rng, value, headers)
        self._producer.flush(30)

    def _send_single(self, rng: random.Random, events: list[dict[str, Any]]) -> None:
        headers = {"content-type": b"application/cloudevents+json", "tollbook-tenant": self.tenant}
        self._produce(rng, json.dumps(events[0]).encode(), headers)

    def _send_batch(self, rng: random.Random, events: list[dict[str, Any]]) -> None:
        self._produce(rng, json.dumps(events).encode(), {"tollbook-tenant": self.tenant})

    def _send_binary(self, rng: random.Random, events: list[dict[str, Any]]) -> None:
        names = {f"ce_{name}": str(events[0][name]).encode() for name in events[0]}
        data = json.dumps(events[0]["data"]).encode()
        names.pop("ce_data")
        headers = {"content-type": b"application/json", "tollbook-tenant": self.tenant}
        self._produce(rng, data, headers | names)

    def _produce(self, rng: random.Random, value: bytes, headers: dict[str, bytes]) -> None:
        self._producer.produce(
            self.topic, value, partition=rng.randrange(PARTITIONS), headers=list(headers.items())
        )
        self._producer.poll(0)


def left_over(endpoints: Endpoints, group: str, topic: str, partitions: int = PARTITIONS) -> int:
    """Records of a topic behind the committed offsets of a group."""
    consumer = Consumer({"bootstrap.servers": endpoints.kafka, "group.id": group, "log_level": 0})
    try:
        asked = [TopicPartition(topic, number) for number in range(partitions)]
        ends = [consumer.get_watermark_offsets(one, timeout=10)[1] for one in asked]
        found = consumer.committed(asked, timeout=10)
        return sum(end - max(0, at.offset) for end, at in zip(ends, found, strict=True))
    finally:
        consumer.close()
