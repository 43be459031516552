"""Foreign producers write CloudEvents to Kafka: each counts once, whatever the bridge meets."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.cimpl import NewTopic

from core.clock import monotonic_seconds
from infra.local.child import Child
from streams.generation import kafka_admin
from tests.scenarios.foreign import Foreign, left_over
from tests.scenarios.traffic import make_event
from tests.scenarios.world import World

pytestmark = pytest.mark.slow

EVENTS = 6_000
KILLS = 6


def wait_until_bridged(world: World, foreign: Foreign, bridge: Child) -> None:
    deadline = monotonic_seconds() + 60
    while left_over(world.endpoints, world.endpoints.bridge_group(), foreign.topic):
        bridge.start()
        assert monotonic_seconds() < deadline, world.logs()
        time.sleep(0.3)


def letters(world: World) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Dead letters by position: a letter that was written twice is one."""
    where = {"bootstrap.servers": world.endpoints.kafka, "group.id": "dead", "log_level": 0}
    consumer = Consumer(where)
    partition = TopicPartition(world.endpoints.dead_letters_topic(), 0, 0)
    end = consumer.get_watermark_offsets(partition, timeout=10)[1]
    consumer.assign([partition])
    found = [json.loads(message.value() or b"") for message in consumer.consume(end, 10)]
    consumer.close()
    return {tuple(letter.values())[:4]: letter for letter in found}


@pytest.mark.req("STR-07", "STR-08")
def test_foreign_events_count_once_while_the_bridge_is_killed(
    world: World, seed: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    worker = world.worker("a")
    foreign = Foreign(world, world.endpoints.inbox_topic())
    events = [make_event(number, rng) for number in range(EVENTS)]
    foreign.send(rng, events[: EVENTS // 4])
    reached = tmp_path / "reached"
    monkeypatch.setenv("TOLLBOOK_FAULT", f"relay_after_write:1:{reached}")
    armed = world.process("armed", "serve", "bridge", "--worker-id", "a")
    monkeypatch.delenv("TOLLBOOK_FAULT")
    deadline = monotonic_seconds() + 60
    while armed.alive():
        assert monotonic_seconds() < deadline, world.logs()
        time.sleep(0.1)
    assert reached.read_text().startswith("relay_after_write:1"), "it died where it was told to"
    bridge = world.process("bridge", "serve", "bridge", "--worker-id", "a")
    foreign.send_bad(rng, b"{", {"tollbook-tenant": foreign.tenant})
    foreign.send_bad(rng, json.dumps(make_event(1, rng)).encode(), {})
    for part in range(KILLS):
        start = EVENTS // 4 + part * EVENTS // 8
        foreign.send(rng, events[start : start + EVENTS // 8])
        foreign.send(rng, rng.sample(events[:start], 50))
        time.sleep(rng.uniform(0.3, 2.0))
        bridge.start()
        bridge.signal(signal.SIGKILL)
        bridge.start()
    wait_until_bridged(world, foreign, bridge)
    world.wait_until_proved(worker.start)
    note = f"--seed {seed}"
    assert len(foreign.journal.first) == EVENTS
    world.check(foreign.journal, note)
    assert world.verify().totals["duplicates"] >= KILLS * 50 + 1, note
    found = letters(world)
    assert len(found) == foreign.bad == 2, (note, found)
    reasons = sorted(letter["reason"] for letter in found.values())
    assert reasons[0].startswith("body: ")
    assert reasons[1].startswith("header tollbook-tenant: required")
    assert {letter["topic"] for letter in found.values()} == {foreign.topic}
    assert bridge.starts > KILLS


def test_two_bridges_share_the_inbox_and_one_leaves(world: World, seed: int) -> None:
    rng = random.Random(seed)
    foreign = Foreign(world, world.endpoints.inbox_topic())
    first = world.process("first", "serve", "bridge", "--worker-id", "a")
    second = world.process("second", "serve", "bridge", "--worker-id", "b")
    first.wait_for(r"relays \['")
    for number in range(8):
        foreign.send(rng, [make_event(number * 200 + n, rng) for n in range(200)])
        time.sleep(0.5)
        if number == 4:
            second.wait_for(r"relays \['")
            first.signal(signal.SIGTERM)
    wait_until_bridged(world, foreign, second)
    worker = world.worker("a")
    world.wait_until_proved(worker.start)
    world.check(foreign.journal, f"--seed {seed}")


def test_a_topic_of_its_own_belongs_to_one_tenant(world: World, seed: int) -> None:
    rng, topic = random.Random(seed), f"{world.endpoints.topic_prefix}acme.usage"
    admin = kafka_admin(world.endpoints)
    tenant = str(world.tenant_id)
    arguments = ("serve", "bridge", "--worker-id", "a", "--topic", topic, "--tenant", tenant)
    refused = world.process("refused", *arguments)
    deadline = monotonic_seconds() + 60
    while refused.alive():
        assert monotonic_seconds() < deadline
        time.sleep(0.1)
    assert "does not exist" in refused.read_log()
    config = {"message.timestamp.type": "LogAppendTime", "retention.ms": "604800000"}
    admin.create_topics([NewTopic(topic, 4, 1, config=config)])[topic].result(timeout=10)
    bridge = world.process("bridge", *arguments)
    foreign = Foreign(world, topic)
    foreign.tenant = f"ten_{tenant.replace('-', '')}".encode()
    foreign.send(rng, [make_event(number, rng) for number in range(300)])
    other = b"0199e5a0-0000-7000-8000-00000000ffff"
    foreign.send_bad(rng, b"{}", {"tollbook-tenant": other})
    wait_until_bridged(world, foreign, bridge)
    worker = world.worker("a")
    world.wait_until_proved(worker.start)
    world.check(foreign.journal, f"--seed {seed}")
    (letter,) = letters(world).values()
    assert "this topic belongs to the tenant" in letter["reason"]
