from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from core.clock import ManualClock
from core.endpoints import Endpoints
from core.errors import ConflictError
from db.clickhouse import connect_clickhouse
from streams.decisions import HALTED, RETRIED, Decision, store_decision
from streams.lag import PartitionLag, read_lag
from streams.lane import COUNTS


def ledger_row(partition: int, last_offset: int) -> dict[str, Any]:
    names = ("generation", "level", "run", "catalog_version", *COUNTS)
    row: dict[str, Any] = dict.fromkeys(names, 0)
    at = datetime(2026, 3, 1, tzinfo=UTC)
    more = {"generation": 1, "partition": partition, "last_offset": last_offset, "log_time": at}
    return row | more


def test_the_lag_is_what_the_ledger_does_not_cover(installation: Endpoints) -> None:
    topic = installation.usage_events_topic()
    producer = Producer({"bootstrap.servers": installation.kafka, "log_level": 0})
    for partition, count in ((0, 3), (1, 5), (2, 2)):
        for _ in range(count):
            producer.produce(topic, b"x", partition=partition)
        producer.flush(10)
    group = {"bootstrap.servers": installation.kafka, "group.id": installation.stream_group()}
    with closing(Consumer({**group, "enable.auto.commit": False, "log_level": 0})) as consumer:
        consumer.assign([TopicPartition(topic, 1, 0)])
        messages = consumer.consume(5, 10)
        consumer.commit(offsets=[TopicPartition(topic, 1, 4)], asynchronous=False)
    seen = datetime.fromtimestamp(messages[-1].timestamp()[1] / 1000, UTC)
    clock = ManualClock(seen + timedelta(seconds=100))
    with closing(connect_clickhouse(installation.clickhouse)) as client:
        rows = [ledger_row(1, 4), ledger_row(2, 4)]
        client.insert_arrow("stream_ledger", pa.Table.from_pylist(rows))
        for partition, offset, what in ((0, 0, HALTED), (1, 2, HALTED), (0, 1, RETRIED)):
            made = Decision(1, partition, offset, what, "died", "worker a", seen)
            store_decision(client, made)

    def lag() -> list[PartitionLag]:
        return read_lag(installation, clock)

    waiting, counted, truncated, empty = lag()
    assert (waiting.log_end, waiting.proved, waiting.lag_records) == (3, 0, 3)
    assert 99 < waiting.seconds_behind < 160
    assert waiting.committed is None
    assert waiting.commit_age_seconds == waiting.seconds_behind
    assert (waiting.halted_at, waiting.halted_because) == (0, "died")

    assert (counted.log_end, counted.proved, counted.lag_records) == (5, 5, 0)
    assert counted.seconds_behind == 0
    assert counted.committed == 4
    assert counted.commit_age_seconds == pytest.approx(100)
    assert counted.halted_at is None, "what is counted halts nothing"

    assert (truncated.log_end, truncated.proved, truncated.lost_records) == (2, 5, 3)
    assert truncated.lag_records == 0
    assert (empty.lag_records, empty.seconds_behind, empty.commit_age_seconds) == (0, 0.0, 0.0)


def test_a_log_that_was_not_created_has_no_lag(installation: Endpoints) -> None:
    with closing(connect_clickhouse(installation.clickhouse)) as client:
        client.command("TRUNCATE TABLE stream_generations")
    with pytest.raises(ConflictError, match="tollbook migrate"):
        read_lag(installation, ManualClock(datetime(2026, 3, 1, tzinfo=UTC)))
