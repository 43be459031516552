"""Logs that lost records, and positions that are refused: nothing is skipped without a word."""

from __future__ import annotations

import json
import random
import signal
import time
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.cimpl import NewTopic

from core.clock import SystemClock, monotonic_seconds
from core.events import event_key, partition_of
from db.clickhouse import connect_clickhouse
from streams.generation import kafka_admin
from streams.lag import read_lag
from tests.scenarios.traffic import make_batches, make_event
from tests.scenarios.world import Sender, World, post

pytestmark = pytest.mark.slow


def forget(world: World, offsets: dict[int, int]) -> None:
    """Delete the records before these offsets, as retention does."""
    topic = world.endpoints.usage_events_topic()
    wanted = [TopicPartition(topic, number, end) for number, end in offsets.items()]
    admin = kafka_admin(world.endpoints)  # its futures are never done once it is gone
    for done in admin.delete_records(wanted).values():
        done.result(timeout=10)


def test_a_worker_goes_on_inside_a_chunk_whose_start_the_log_lost(world: World, seed: int) -> None:
    rng, url = random.Random(seed), world.ingest()
    worker = world.worker("a")
    batches = make_batches(rng, 4_000, batch=100)
    half = len(batches) // 2
    first = Sender(url, world.api_key, batches[:half], seconds=0.1)
    first.start()
    first.finish()
    world.wait_until_proved(worker.start)
    worker.signal(signal.SIGKILL)
    ends = world.log_ends()
    assert all(end % 64 for end in ends.values()), "chunks are open"
    forget(world, ends)
    second = Sender(url, world.api_key, batches[half:], seconds=0.1)
    second.journal = first.journal
    second.start()
    journal = second.finish()
    world.wait_until_proved(worker.start)
    world.check(journal, f"--seed {seed}")


def test_a_worker_refuses_a_log_that_lost_what_was_not_counted(world: World, seed: int) -> None:
    url = world.ingest()
    sender = Sender(url, world.api_key, make_batches(random.Random(seed), 2_000), seconds=0.1)
    sender.start()
    sender.finish()
    forget(world, dict.fromkeys(world.log_ends(), 1))
    worker = world.worker("a")
    deadline = monotonic_seconds() + 60
    while worker.alive():
        assert monotonic_seconds() < deadline, "the worker went on"
        time.sleep(0.2)
    assert "begins at offset 1, but only 0 offsets are proved" in worker.read_log()
    assert world.rows("SELECT count() FROM usage_events") == [(0,)]


def test_a_worker_refuses_a_log_that_ends_before_what_is_counted(world: World, seed: int) -> None:
    """As after an unclean leader election: new records would take the offsets of counted ones."""
    url = world.ingest()
    sender = Sender(url, world.api_key, make_batches(random.Random(seed), 2_000), seconds=0.1)
    sender.start()
    sender.finish()
    worker = world.worker("a")
    world.wait_until_proved(worker.start)
    worker.signal(signal.SIGKILL)
    client = connect_clickhouse(world.endpoints.clickhouse)
    (columns,) = client.query(
        "SELECT groupArray(name) FROM system.columns WHERE database ="
        " currentDatabase() AND table = 'stream_ledger' AND name != 'version'"
    ).result_rows[0]
    chosen = ", ".join("last_offset + 3" if name == "last_offset" else name for name in columns)
    client.command(
        f"INSERT INTO stream_ledger ({', '.join(columns)}) SELECT {chosen} FROM stream_ledger FINAL"
        " WHERE partition = 2 ORDER BY run DESC LIMIT 1"
    )
    client.close()
    end = world.log_ends()[2]
    assert end % 64 < 61, "the chunk stays open"
    worker.start()
    deadline = monotonic_seconds() + 60
    while worker.alive():
        assert monotonic_seconds() < deadline, "the worker went on"
        time.sleep(0.2)
    assert f"ends at offset {end}, but {end + 3} offsets are counted already" in worker.read_log()
    lost = {part.partition: part.lost_records for part in read_lag(world.endpoints, SystemClock())}
    assert lost == {0: 0, 1: 0, 2: 3, 3: 0}


def test_what_is_no_envelope_and_what_breaks_the_contract_becomes_a_dead_letter(
    world: World, seed: int
) -> None:
    topic, rng = world.endpoints.usage_events_topic(), random.Random(seed)
    producer = Producer({"bootstrap.servers": world.endpoints.kafka, "log_level": 0})
    producer.produce(topic, b"no envelope", partition=2)
    producer.flush(10)
    good = make_event(1, rng)
    with httpx.Client() as client:
        assert post(client, world.ingest(), world.api_key, [good])
    moved = _envelope_in_the_wrong_partition(world, good)
    worker = world.worker("a")
    world.wait_until_proved(worker.start)
    totals = world.verify().totals
    assert (totals["events"], totals["accepted"], totals["rejected"]) == (3, 1, 2)
    letters = _dead_letters(world, 2)
    assert [letter["row"] for letter in letters] == [None, 0]
    assert (letters[0]["partition"], letters[0]["offset"]) == (2, 0)
    assert letters[0]["reason"].startswith("envelope: not an Arrow IPC stream")
    assert letters[1]["partition"] == moved
    assert letters[1]["reason"] == "key: does not belong to this partition"
    assert letters[1]["id"] == good["id"]


def _envelope_in_the_wrong_partition(world: World, event: dict[str, object]) -> int:
    key = event_key(str(world.tenant_id), "scenario", str(event["id"]))
    right = partition_of(key, 4)
    topic = world.endpoints.usage_events_topic()
    consumer = Consumer(
        {"bootstrap.servers": world.endpoints.kafka, "group.id": "look", "log_level": 0}
    )
    consumer.assign([TopicPartition(topic, right, 1 if right == 2 else 0)])
    message = consumer.poll(10)
    consumer.close()
    assert message is not None
    wrong = (right + 1) % 4
    producer = Producer({"bootstrap.servers": world.endpoints.kafka, "log_level": 0})
    producer.produce(topic, message.value(), partition=wrong)
    producer.flush(10)
    return wrong


def _dead_letters(world: World, count: int) -> list[dict[str, Any]]:
    consumer = Consumer(
        {"bootstrap.servers": world.endpoints.kafka, "group.id": "dead", "log_level": 0}
    )
    consumer.assign([TopicPartition(world.endpoints.dead_letters_topic(), 0, 0)])
    messages = consumer.consume(count, 10)
    consumer.close()
    letters = [json.loads(message.value() or b"") for message in messages]
    return sorted(letters, key=lambda letter: letter["row"] is not None)


def test_nothing_is_accepted_into_a_topic_that_was_created_again(world: World) -> None:
    """Its events would belong to no log: no worker would ever count them."""
    url, rng = world.ingest(), random.Random(1)
    with httpx.Client() as client:
        assert post(client, url, world.api_key, [make_event(1, rng)])
        topic, admin = world.endpoints.usage_events_topic(), kafka_admin(world.endpoints)
        admin.delete_topics([topic])[topic].result(timeout=10)
        admin.create_topics([NewTopic(topic, 4, 1)])[topic].result(timeout=10)
        deadline = monotonic_seconds() + 30
        while client.get(f"{url}/readyz").status_code == httpx.codes.OK:
            assert monotonic_seconds() < deadline, "ingest did not notice"
            time.sleep(0.2)
        answer = client.post(
            f"{url}/v1/events",
            json=make_event(2, rng),
            headers={
                "Authorization": f"Bearer {world.api_key}",
                "Content-Type": "application/cloudevents+json",
            },
        )
    assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
