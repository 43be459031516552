"""The third baseline: the stream stage's own lane and sink, fed by a plain consumer, without Faust.

No assignment, no rebalance, no commit, no restart: what is left is the work itself.
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from confluent_kafka import Consumer, TopicPartition

from catalog.metering.aggregate import CompiledMeters, compile_meters
from catalog.snapshot import read_catalog
from core.endpoints import Endpoints
from core.envelope import ENVELOPE_BYTES_MAX
from db.postgres import Database
from streams.generation import Generation, ensure_generation
from streams.index import DedupeIndex
from streams.lane import Lane
from streams.records import Record
from streams.sink import Sink

_MILLIS: Final = 1000
_IDLE_SECONDS: Final = 0.1
_THREADS: Final = 2
_STEP_RECORDS: Final = 128
"""What a lane of the stage takes at most in one step."""


class Partition:
    """One partition: its lane, and what waits for it."""

    def __init__(
        self, generation: Generation, number: int, meters: CompiledMeters, sink: Sink
    ) -> None:
        index = DedupeIndex(generation.horizon_seconds * _MILLIS)
        find = partial(sink.find_targets, number)
        self._lane = Lane(generation, number, 0, 0, index, meters, find)
        self._number, self._meters, self._sink = number, meters, sink

    def work(self, records: list[Record]) -> None:
        """Step the lane over consecutive records and write what comes out."""
        for flush in self._lane.step(records, self._meters):
            self._sink.write(self._number, flush, threading.Event())


def main() -> None:
    """Run until SIGTERM, on the servers that the environment names."""
    endpoints = Endpoints.from_environment(os.environ)
    generation = ensure_generation(endpoints)
    with Database(endpoints.postgres) as db, db.transaction() as conn:
        snapshot = read_catalog(conn)
    meters, sink = compile_meters(snapshot.meters, snapshot.version), Sink(endpoints, generation)
    numbers = range(generation.partitions)
    lanes = {number: Partition(generation, number, meters, sink) for number in numbers}
    consumer = Consumer(
        {
            "bootstrap.servers": endpoints.kafka,
            "group.id": f"{endpoints.topic_prefix}bare",
            "enable.auto.commit": False,
            "fetch.message.max.bytes": ENVELOPE_BYTES_MAX,
            "queued.max.messages.kbytes": 256 * 1024,
            "log_level": 0,
        }
    )
    consumer.assign([TopicPartition(generation.topic, number, 0) for number in numbers])
    size = _STEP_RECORDS * generation.partitions
    with ThreadPoolExecutor(_THREADS) as pool:
        while True:
            records: defaultdict[int, list[Record]] = defaultdict(list)
            for message in consumer.consume(size, _IDLE_SECONDS):
                record = Record(message.offset() or 0, message.timestamp()[1], message.value())
                records[message.partition() or 0].append(record)
            for done in [pool.submit(lanes[at].work, some) for at, some in records.items()]:
                done.result()


if __name__ == "__main__":
    main()
