"""`python -m benchmarks.insert_load JSON`: events that go on arriving while something is read.

Judges and writes them as a worker does, at a steady rate, behind the chunks that are there. On
SIGTERM it writes what it has begun and prints, per subject, what it wrote.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from benchmarks.events import Event, Recount, Traffic, generate
from benchmarks.producing import envelopes
from benchmarks.stages import no_targets
from catalog.metering.aggregate import compile_meters
from catalog.meters import list_meters
from core.clock import epoch_micros, monotonic_seconds
from core.endpoints import Endpoints
from core.ids import TenantId
from db.postgres import Database
from streams.generation import ensure_generation
from streams.index import DedupeIndex
from streams.lane import Lane
from streams.records import Record
from streams.sink import Sink

FLUSH_RECORDS: Final = 8
_EVENTS_MAX: Final = 100_000_000
_MILLIS: Final = 1000


@dataclass(frozen=True, slots=True)
class Orders:
    """What to insert: envelopes, from chunk `first_chunk` of each partition on."""

    tenant_id: str
    subjects: int
    first_chunk: int
    envelope_events: int
    events_per_second: int


def main() -> None:
    """Insert until SIGTERM, on the servers that the environment names."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    orders = Orders(**json.loads(sys.argv[1]))
    recount = insert(Endpoints.from_environment(os.environ), orders, stop)
    usage: dict[str, list[int]] = {}
    for (_, subject, *_), (events, cents, tokens, cached, largest) in recount.cells.items():
        had = usage.setdefault(subject, [0, 0, 0, 0, 0])
        sums = [a + b for a, b in zip(had, (events, cents, tokens, cached), strict=False)]
        usage[subject] = [*sums, max(had[4], largest)]
    print(json.dumps({"events": recount.events, "usage": usage}))


def insert(endpoints: Endpoints, orders: Orders, stop: threading.Event) -> Recount:
    """Insert until `stop` is set; the count of what was inserted."""
    with Database(endpoints.postgres) as db, db.transaction() as conn:
        meters = list_meters(conn, TenantId(UUID(orders.tenant_id)))
    compiled = compile_meters(meters, max(each.catalog_version for each in meters))
    generation, recount = ensure_generation(endpoints), Recount()
    first = orders.first_chunk * generation.chunk_records
    traffic = Traffic(
        _EVENTS_MAX, orders.tenant_id, generation.partitions, seed=7, subjects=orders.subjects
    )
    log_time_ms = epoch_micros(traffic.end) // _MILLIS
    horizon_ms = generation.horizon_seconds * _MILLIS
    lanes = [
        Lane(generation, number, first, 0, DedupeIndex(horizon_ms), compiled, no_targets)
        for number in range(generation.partitions)
    ]
    waiting: list[list[Record]] = [[] for _ in lanes]
    sink = Sink(endpoints, generation)

    def step(number: int) -> None:
        for flush in lanes[number].step(waiting[number], compiled):
            sink.write(number, flush, threading.Event())
        waiting[number].clear()

    arriving = _paced(generate(traffic, recount), orders.events_per_second, stop)
    for number, value, _ in envelopes(traffic, arriving, orders.envelope_events):
        offset = lanes[number].next_offset + len(waiting[number])
        waiting[number].append(Record(offset, log_time_ms, value))
        if len(waiting[number]) == FLUSH_RECORDS:
            step(number)
    for number in range(generation.partitions):
        if waiting[number]:
            step(number)
    sink.close()
    return recount


def _paced(events: Iterator[Event], rate: int, stop: threading.Event) -> Iterator[Event]:
    """The events at a rate; they end, whole, once `stop` is set."""
    began_seconds = monotonic_seconds()
    for number, event in enumerate(events):
        yield event
        wait = began_seconds + number / rate - monotonic_seconds()
        if wait > 0:
            stop.wait(wait)
        if stop.is_set():
            return


if __name__ == "__main__":
    main()
