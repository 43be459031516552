"""A request is answered when Kafka has all envelopes with its events, and not before."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from core.cloudevents.columns import EventColumns
from core.endpoints import Endpoints
from core.envelope import decode_envelope
from core.errors import DependencyDownError
from core.events import event_key, partition_of
from ingest.kafka_log import Delivery, KafkaLog
from ingest.log_topic import LogTopic
from ingest.passage import Origin
from ingest.publisher import Publisher
from ingest.settings import IngestSettings

_NOWHERE = Endpoints(kafka="127.0.0.1:9", clickhouse="", postgres="")


class _Log:
    """All that a publisher calls; each envelope is acknowledged when a test says so."""

    def __init__(self, partitions: int) -> None:
        self.topic = SimpleNamespace(partitions=partitions)
        self.wrong_log, self.fault = False, None
        self.sent: list[tuple[set[str], Delivery]] = []

    def append(
        self, _: LogTopic, partition: int, value: bytes, events: int, origins: Sequence[Origin]
    ) -> Delivery:
        batch = decode_envelope(value)
        assert batch.num_rows == events
        assert origins
        keys: list[Any] = batch.column("key").to_pylist()
        ids: list[Any] = batch.column("id").to_pylist()
        assert {partition_of(key, self.topic.partitions) for key in keys} == {partition}
        delivery: Delivery = asyncio.get_running_loop().create_future()
        self.sent.append((set(ids), delivery))
        return delivery


def _columns(number: int, events: int) -> tuple[set[str], EventColumns]:
    columns, ids = EventColumns(), [f"{number}-{each}" for each in range(events)]
    for event_id in ids:
        row = ("t", event_key("t", "s", event_id), 0, event_id, "s", "t", "u", 0, 0, b"{}")
        for column, value in zip(_lists_of(columns), row, strict=True):
            column.append(value)
    return set(ids), columns


def _lists_of(columns: EventColumns) -> list[list[object]]:
    return [getattr(columns, name) for name in EventColumns.__slots__]


@given(
    st.integers(1, 5),
    st.lists(st.integers(1, 12), min_size=1, max_size=10),
    st.integers(1, 6),
    st.integers(0, 2**32),
)
def test_no_request_is_answered_before_all_its_envelopes(
    partitions: int, sizes: list[int], envelope_events_max: int, seed: int
) -> None:
    async def main() -> None:
        log, rng = _Log(partitions), random.Random(seed)
        settings = IngestSettings(_NOWHERE, Path("unused"), envelope_events_max=envelope_events_max)
        publisher = Publisher(cast("KafkaLog", log), settings)
        made = [_columns(number, events) for number, events in enumerate(sizes)]
        asked = [
            (ids, asyncio.ensure_future(publisher.publish(columns.as_batch(), len(ids))))
            for ids, columns in made
        ]
        await asyncio.sleep(0)
        publisher.flush()
        everything = [event_id for ids, _ in log.sent for event_id in ids]
        assert sorted(everything) == sorted(event_id for ids, _ in asked for event_id in ids)
        waiting, failed = list(log.sent), set[str]()
        rng.shuffle(waiting)
        while waiting:
            ids, delivery = waiting.pop()
            reason = rng.choice([None, None, None, "gone"])
            failed |= ids if reason else set()
            delivery.set_result(reason)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            left = {event_id for ids, _ in waiting for event_id in ids}
            for mine, answer in asked:
                assert answer.done() == (not mine & left), "neither early nor late"
        for mine, answer in asked:
            assert isinstance(answer.exception(), DependencyDownError) == bool(mine & failed)

    asyncio.run(main())
