"""A log of one partition stored by the real lane and sink, and the oracle's view of it."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

from catalog.meters import MeterDefinition
from core.endpoints import Endpoints
from core.period import Period
from db.clickhouse import connect_clickhouse
from streams.generation import load_generation
from streams.index import DedupeIndex
from streams.lane import Lane
from streams.sink import Sink
from tests.streams.log_oracle import HORIZON_MS, LogRecord, Sent, recount, value_of
from tests.streams.logs import START, START_MS, TENANTS, compiled, to_records

CHUNK = 64


def random_log(rng: random.Random, records: int) -> list[LogRecord]:
    """Records of a few events each, some of them copies, some with no readable value."""
    log, number = [], 0
    for offset in range(records):
        events = []
        for _ in range(rng.randint(1, 4)):
            number += 1
            event_id = str(rng.randint(1, number)) if rng.random() < 0.1 else str(number)
            data = rng.choice(
                [f'{{"n":{rng.randint(-9, 999)}.{rng.randrange(10**12):012d}}}', "{}", '{"n":1}']
            )
            at = START + timedelta(microseconds=rng.randrange(6 * 3600 * 10**6))
            events.append(
                Sent(rng.choice(TENANTS), "s", event_id, "call", f"u{rng.randrange(3)}", at, data)
            )
        log.append(LogRecord(START_MS + offset, tuple(events)))
    return log


def store(endpoints: Endpoints, log: list[LogRecord], versions: Iterable[int]) -> None:
    """Write the log as a worker does, one step for each catalog version; the last takes the rest.

    Everything goes to partition 0: keys of other partitions must not occur in a log stored here, so
    the generation is read as if it had one partition.
    """
    client = connect_clickhouse(endpoints.clickhouse)
    generation = load_generation(client)
    client.close()
    assert generation is not None
    assert generation.chunk_records == CHUNK
    sink, stop = Sink(endpoints, generation), threading.Event()
    one = replace(generation, partitions=1)
    steps = list(versions)
    lane = Lane(one, 0, 0, 0, DedupeIndex(HORIZON_MS), compiled(steps[0]))
    records, size = to_records(log), len(log) // len(steps) + 1
    for number, version in enumerate(steps):
        for flush in lane.step(records[number * size : (number + 1) * size], compiled(version)):
            sink.write(0, flush, stop)
    sink.close()


def expected_usage(
    log: list[LogRecord], meters: Iterable[MeterDefinition], period: Period, records: int
) -> dict[tuple[str, str], tuple[Decimal, int, int]]:
    """(meter id, subject) -> quantity, events, unmeterable events of the first records."""
    verdicts = recount(log, CHUNK, []).verdicts
    found: defaultdict[tuple[str, str], list[Fraction]] = defaultdict(lambda: [Fraction(0)] * 3)
    for (offset, row), verdict in verdicts.items():
        event = (log[offset].events or ())[row]
        if verdict != "accepted" or offset >= records:
            continue
        if not period.start <= event.time < period.end:
            continue
        for meter in meters:
            if (str(meter.tenant_id), meter.event_type) != (event.tenant, event.type):
                continue
            path = meter.value_path
            value = Fraction(1) if path is None else value_of(event.data, path)
            cell = found[str(meter.id), event.subject]
            found[str(meter.id), event.subject] = [
                cell[0] + (value or 0), cell[1] + (value is not None), cell[2] + (value is None)
            ]  # fmt: skip
    return {
        key: (Decimal(cell[0].numerator) / cell[0].denominator, int(cell[1]), int(cell[2]))
        for key, cell in found.items()
    }
