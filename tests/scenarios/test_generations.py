"""Another number of partitions under load: a new generation of the log, each event counted once."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.cimpl import NewTopic

from core.clock import monotonic_seconds
from core.errors import ConflictError, ValidationError
from core.generation_end import end_marker
from streams.generation import Generation, kafka_admin
from streams.succession import Succession
from streams.switch import begin_generation, list_generations
from tests.scenarios.foreign import Foreign, left_over
from tests.scenarios.traffic import Journal, make_batches
from tests.scenarios.world import Sender, World, post
from usage.reader import UsageReader

pytestmark = pytest.mark.slow


def ends_of(world: World, generation: int, partitions: int) -> dict[str, int]:
    """Offset after the last record of each partition of a generation that has one."""
    where = {"bootstrap.servers": world.endpoints.kafka, "group.id": "watch", "log_level": 0}
    consumer, topic = Consumer(where), world.endpoints.usage_events_topic(generation)
    try:
        ends = {number: end_of(consumer, topic, number) for number in range(partitions)}
    finally:
        consumer.close()
    return {f"{generation}/{number}": end for number, end in ends.items() if end}


def end_of(consumer: Consumer, topic: str, partition: int) -> int:
    """Offset after the last record; a partition that was just created has its leader soon."""
    for _ in range(50):
        try:
            return int(consumer.get_watermark_offsets(TopicPartition(topic, partition), 10)[1])
        except KafkaException:
            time.sleep(0.1)
    raise AssertionError(f"{topic}/{partition} has no leader")


def proved(world: World) -> dict[str, int]:
    reader = UsageReader(world.endpoints.clickhouse)
    try:
        return reader.cut().offsets
    finally:
        reader.close()


def wait_until_read(world: World, tend: Callable[[], object], seconds: float = 120) -> Succession:
    """Wait until the newest generation is read up to its end, and what is behind ends is there."""
    deadline = monotonic_seconds() + seconds
    while True:
        tend()
        found = list_generations(world.endpoints)
        newest = found.newest
        if found.reading == newest and not left_behind(world, found):
            ends = ends_of(world, newest.number, newest.partitions)
            covered = {
                part: end
                for part, end in proved(world).items()
                if part.startswith(f"{newest.number}/")
            }
            if covered == ends:
                return found
        assert monotonic_seconds() < deadline, f"{found}\n{world.logs()}"
        time.sleep(0.3)


def left_behind(world: World, found: Succession) -> int:
    """Records behind ends of retired generations that no carrier has committed yet."""
    where = {
        "bootstrap.servers": world.endpoints.kafka,
        "group.id": world.endpoints.carrier_group(),
        "log_level": 0,
    }
    consumer, left = Consumer(where), 0
    try:
        for end in found.ends:
            part = TopicPartition(world.endpoints.usage_events_topic(end.generation), end.partition)
            last = consumer.get_watermark_offsets(part, timeout=10)[1]
            (committed,) = consumer.committed([part], timeout=10)
            left += last - max(end.offset, committed.offset)
    finally:
        consumer.close()
    return left


@pytest.mark.req("STR-07", "STR-08")
def test_events_count_once_across_a_switch_under_load_with_kills(world: World, seed: int) -> None:
    rng = random.Random(seed)
    worker = world.worker("a")
    url = world.ingest()
    batches = alike(make_batches(rng, 60_000))
    repeated = rng.sample(batches[: len(batches) // 3], 10)  # sent again after the switch
    sender = Sender(url, world.api_key, [*batches, *repeated], seconds=25)
    sender.start()
    time.sleep(6)
    made = begin_generation(world.endpoints, 6)
    assert (made.number, made.partitions) == (2, 6)
    for _ in range(5):
        time.sleep(rng.uniform(0.5, 2.5))
        worker.start()
        worker.signal(signal.SIGKILL)
        worker.start()
    journal = sender.finish()
    found = wait_until_read(world, worker.start)
    note = f"--seed {seed}"
    assert [generation.number for generation in found.retired] == [1]
    assert found.ended_partitions(1) == 4
    assert ends_of(world, 2, 6), "ingest followed"
    world.check(journal, note)
    assert begin_generation(world.endpoints, 6) == made, "repeating it changes nothing"


def test_the_next_generation_waits_until_every_end_is_read(world: World, seed: int) -> None:
    """A partition whose old generation has no end marker yet holds all of the new one back."""
    rng = random.Random(seed)
    url = world.ingest()
    batches = make_batches(rng, 4_000)
    journal = send(world, url, batches[:4])
    late = markers_only_into(world, [0, 1, 3])  # the marker of partition 2 is late
    wait_until_followed(world, url, batches[0][:1])
    journal = send(world, url, batches[4:], journal)
    worker = world.worker("a")
    deadline = monotonic_seconds() + 60
    while list_generations(world.endpoints).ended_partitions(1) < 3:
        worker.start()
        assert monotonic_seconds() < deadline, world.logs()
        time.sleep(0.3)
    time.sleep(3)
    assert not [part for part in proved(world) if part.startswith("2/")]
    assert begin_generation(world.endpoints, 6) == late, "what was interrupted is finished"
    wait_until_read(world, worker.start)
    world.check(journal, f"--seed {seed}")


def test_what_is_written_behind_an_end_is_carried_over_once(world: World, seed: int) -> None:
    """Senders that know the old topic only: copies, a torn record and a marker behind the end."""
    rng, url = random.Random(seed), world.ingest()
    worker = world.worker("a")
    batches = make_batches(rng, 3_000)
    journal = send(world, url, batches[:3])
    values = envelopes(world)
    begin_generation(world.endpoints, 6, follow_seconds=0)
    journal = send(world, url, batches[3:], journal)
    producer = Producer({"bootstrap.servers": world.endpoints.kafka, "log_level": 0})
    topic = world.endpoints.usage_events_topic(1)
    for partition, value in [*values, (0, end_marker(1)), (3, b"torn")]:
        producer.produce(topic, value, partition=partition)
    producer.flush(10)
    wait_until_read(world, worker.start)
    worker.signal(signal.SIGKILL)
    producer.produce(topic, values[0][1], partition=values[0][0])
    producer.flush(10)
    wait_until_read(world, worker.start)
    report = world.verify()
    assert report.differences == [], f"--seed {seed}"
    totals = report.totals
    assert totals["accepted"] == len(journal.first), (seed, totals)
    assert totals["rejected"] >= 1, "the torn record has no key: carried twice, it is refused twice"
    (row,) = [row for row in report.partitions if row["rejected"]]
    assert (row["generation"], row["partition"]) == (2, 3)
    assert world.usage() == journal.recount()


@pytest.mark.req("STR-10")
def test_workers_share_the_next_generation_and_rebalance(world: World, seed: int) -> None:
    """A rebalance every five seconds, before, in and after the switch."""
    rng = random.Random(seed)
    first = world.worker("a")
    batches = alike(make_batches(rng, 50_000))
    sender = Sender(world.ingest(), world.api_key, batches, seconds=36)
    sender.start()
    for number in range(6):
        second = world.worker(f"b{number}")
        time.sleep(3)
        if number == 2:
            begin_generation(world.endpoints, 6)
        time.sleep(2)
        second.signal(signal.SIGTERM if number % 2 else signal.SIGKILL)
    last = world.worker("c")
    journal = sender.finish()

    def tend() -> None:
        first.start()
        last.start()

    wait_until_read(world, tend)
    first.wait_for(r"reads generation 2 from now on")
    world.check(journal, f"--seed {seed}")


def test_the_bridge_follows_to_the_next_generation(world: World, seed: int) -> None:
    """The same events by HTTP before the switch and through the inbox after it count once."""
    rng, url = random.Random(seed), world.ingest()
    foreign = Foreign(world, world.endpoints.inbox_topic())
    bridge = world.process("bridge", "serve", "bridge", "--worker-id", "a")
    batches = alike(make_batches(rng, 2_000))
    journal = send(world, url, batches[:2])
    foreign.send(rng, batches[2])
    bridge.wait_for(r"relays \['")
    begin_generation(world.endpoints, 6)
    for batch in batches:
        foreign.send(rng, batch)
        time.sleep(0.5)
    worker = world.worker("a")
    deadline = monotonic_seconds() + 60
    while left_over(world.endpoints, world.endpoints.bridge_group(), foreign.topic):
        bridge.start()
        assert monotonic_seconds() < deadline, world.logs()
        time.sleep(0.3)
    wait_until_read(world, worker.start)
    assert "writes to generation 2" in bridge.read_log()
    assert set(journal.first) <= set(foreign.journal.first)
    world.check(foreign.journal, f"--seed {seed}")


def test_a_generation_whose_topic_was_created_again_is_refused(world: World, seed: int) -> None:
    url = world.ingest()
    batches = make_batches(random.Random(seed), 2_000)
    journal = send(world, url, batches)
    made = begin_generation(world.endpoints, 6)
    worker = world.worker("a")
    wait_until_read(world, worker.start)
    worker.signal(signal.SIGKILL)
    admin = kafka_admin(world.endpoints)
    admin.delete_topics([made.topic])[made.topic].result(timeout=10)
    config = {"retention.ms": "7776000000", "message.timestamp.type": "LogAppendTime"}
    deadline = monotonic_seconds() + 30
    while made.topic in admin.list_topics(timeout=10).topics:
        assert monotonic_seconds() < deadline
        time.sleep(0.2)
    admin.create_topics([NewTopic(made.topic, 6, 1, config=config)])[made.topic].result(timeout=10)
    with pytest.raises(ConflictError, match="deleted or created again"):
        begin_generation(world.endpoints, 8)
    producer = Producer({"bootstrap.servers": world.endpoints.kafka, "log_level": 0})
    producer.produce(made.topic, b"x", partition=0)
    producer.flush(10)
    worker.start()
    deadline = monotonic_seconds() + 60
    while worker.alive():
        assert monotonic_seconds() < deadline, world.logs()
        time.sleep(0.2)
    assert "created again" in worker.read_log(), world.logs()
    world.check(journal, f"--seed {seed}")


def test_only_one_switch_is_under_way(world: World) -> None:
    made = begin_generation(world.endpoints, 6, follow_seconds=0)
    with pytest.raises(ConflictError, match="generation 1 has ended in 0 of 4 partitions"):
        begin_generation(world.endpoints, 8)
    assert begin_generation(world.endpoints, 6, follow_seconds=0) == made
    with pytest.raises(ValidationError, match="expected 1 to 4096, got 0"):
        begin_generation(world.endpoints, 0)


def alike(batches: list[list[dict[str, Any]]]) -> list[list[dict[str, Any]]]:
    """Without copies of unlike content: where a slow sender is overtaken, either may be first."""
    return [[event for event in batch if "changed" not in event["data"]] for batch in batches]


def send(
    world: World, url: str, batches: list[list[dict[str, Any]]], journal: Journal | None = None
) -> Journal:
    sender = Sender(url, world.api_key, batches, seconds=0.1)
    sender.journal = journal or sender.journal
    sender.start()
    return sender.finish()


def markers_only_into(world: World, partitions: list[int]) -> Generation:
    """Begin generation 2 as a command does that dies before it has written every marker."""
    with patch("streams.switch.write_markers"):
        made = begin_generation(world.endpoints, 6, follow_seconds=0)
    producer = Producer({"bootstrap.servers": world.endpoints.kafka, "log_level": 0})
    for partition in partitions:
        topic = world.endpoints.usage_events_topic(1)
        producer.produce(topic, end_marker(1), partition=partition)
    producer.flush(10)
    return made


def wait_until_followed(world: World, url: str, copies: list[dict[str, Any]]) -> None:
    """Send copies again and again until ingest writes to generation 2."""
    deadline = monotonic_seconds() + 30
    with httpx.Client() as client:
        while not ends_of(world, 2, 6):
            assert monotonic_seconds() < deadline, "ingest did not follow"
            post(client, url, world.api_key, copies)
            time.sleep(0.2)


def envelopes(world: World) -> list[tuple[int, bytes]]:
    """Partition and value of every record of generation 1."""
    where = {"bootstrap.servers": world.endpoints.kafka, "group.id": "look", "log_level": 0}
    consumer, topic = Consumer(where), world.endpoints.usage_events_topic(1)
    ends = ends_of(world, 1, 4)
    consumer.assign([TopicPartition(topic, int(part[2:]), 0) for part in ends])
    messages = consumer.consume(sum(ends.values()), 10)
    consumer.close()
    found: list[tuple[int, bytes]] = []
    for message in messages:
        partition, value = message.partition(), message.value()
        assert partition is not None
        assert isinstance(value, bytes)
        found.append((partition, value))
    return found
