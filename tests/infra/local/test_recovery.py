from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from core.endpoints import Endpoints
from db.clickhouse import connect_clickhouse
from infra.local.stack import PART_NAMES, LocalStack

_TOPIC = "kept"


def _write(endpoints: Endpoints, value: int) -> None:
    producer = Producer({"bootstrap.servers": endpoints.kafka, "acks": "all"})
    producer.produce(_TOPIC, str(value).encode(), partition=0)
    assert producer.flush(20) == 0
    with psycopg.connect(endpoints.postgres) as connection:
        connection.execute("INSERT INTO kept VALUES (%s)", (value,))
    client = _clickhouse(endpoints)
    client.command(f"INSERT INTO kept VALUES ({value})")
    client.close()


def _read(endpoints: Endpoints) -> dict[str, list[int]]:
    settings = {"bootstrap.servers": endpoints.kafka, "group.id": "reader"}
    consumer = Consumer(settings)
    start = TopicPartition(_TOPIC, 0, 0)
    _, end = consumer.get_watermark_offsets(start, timeout=20)
    consumer.assign([start])
    messages = consumer.consume(end, timeout=20)
    consumer.close()
    with psycopg.connect(endpoints.postgres) as connection:
        rows = connection.execute("SELECT value FROM kept ORDER BY value").fetchall()
    client = _clickhouse(endpoints)
    columns = client.query("SELECT value FROM kept ORDER BY value").result_columns
    client.close()
    return {
        "kafka": sorted(int(message.value() or b"") for message in messages),
        "postgres": [int(row[0]) for row in rows],
        "clickhouse": [int(value) for value in columns[0]],
    }


def _clickhouse(endpoints: Endpoints) -> Client:
    return connect_clickhouse(endpoints.clickhouse.replace("/tollbook", "/default"))


def _create(endpoints: Endpoints) -> None:
    admin = AdminClient({"bootstrap.servers": endpoints.kafka})
    admin.create_topics([NewTopic(_TOPIC, 1, 1)])[_TOPIC].result(timeout=20)
    with psycopg.connect(endpoints.postgres) as connection:
        connection.execute("CREATE TABLE kept (value int PRIMARY KEY)")
    client = _clickhouse(endpoints)
    client.command("CREATE TABLE kept (value Int32) ENGINE = MergeTree ORDER BY value")
    client.close()


@pytest.mark.slow
def test_every_part_comes_back_with_its_data(fresh_stack: LocalStack) -> None:
    def kill_all() -> None:
        for name in PART_NAMES:
            fresh_stack.kill(name)

    endpoints = fresh_stack.endpoints()
    _create(endpoints)
    written = []
    ends: list[Callable[[], None]] = [kill_all, fresh_stack.stop]
    for value, end in enumerate(ends):
        _write(endpoints, value)
        written.append(value)
        before = [fresh_stack.pid(name) for name in PART_NAMES]
        end()
        assert [fresh_stack.pid(name) for name in PART_NAMES] == [None] * len(PART_NAMES)
        fresh_stack.start()
        assert fresh_stack.endpoints() == endpoints
        assert not set(before) & {fresh_stack.pid(name) for name in PART_NAMES}
        assert _read(endpoints) == dict.fromkeys(PART_NAMES, written)


def test_two_stacks_run_side_by_side_and_die_apart(
    stack: LocalStack, fresh_stack: LocalStack
) -> None:
    mine, other = stack.endpoints(), fresh_stack.endpoints()
    assert {mine.kafka, mine.clickhouse, mine.postgres}.isdisjoint(
        {other.kafka, other.clickhouse, other.postgres}
    )
    assert {part.state for part in (*stack.status(), *fresh_stack.status())} == {"running"}

    fresh_stack.kill("clickhouse")
    states = {part.name: part.state for part in fresh_stack.status()}
    assert states == {"kafka": "running", "clickhouse": "died", "postgres": "running"}
    assert {part.state for part in stack.status()} == {"running"}
    fresh_stack.start_part("clickhouse")
    assert {part.state for part in fresh_stack.status()} == {"running"}
