"""The laws that hold after whatever happened: nothing lost, nothing invented, everything counted.

L1 no loss: what was acknowledged is in the log. L2 no invention: the log holds what was sent.
L3 every position has one outcome, chunk by chunk. L4 recount = stored totals = what readers see.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from confluent_kafka import Consumer, TopicPartition

from catalog.meters import MeterDefinition
from core.clock import monotonic_seconds
from core.endpoints import Endpoints
from core.ids import TenantId
from db.clickhouse import connect_clickhouse
from tests.faults.journal import Known, digest
from tests.faults.recount import COUNTS, Cell, Log, Recount, tokens_of
from tests.faults.traffic import PERIOD
from usage.reader import UsageReader
from usage.verify import verify

_WAIT_SECONDS: Final = 60
Meters = Mapping[TenantId, Sequence[MeterDefinition]]
"""Tenant -> its meters of events of type `request`: `requests` counts them, `tokens` adds up their
tokens, `largest` is the most of one, `models` counts the models named."""

_LINEAR: Final = ("requests", "tokens")

_POSITIONS: Final = """
SELECT partition, offset, row FROM {table} FINAL WHERE generation = 1
"""
_LEDGER: Final = """
SELECT partition, run, records, events, accepted, duplicates, conflicts, rejected
FROM stream_ledger FINAL WHERE generation = 1 AND level = 0
"""
_TOTALS: Final = """
SELECT partition, run, tenant_id, subject, meter_id,
    sum(event_count), sum(voided_count), sum(unmeterable_count),
    toString(sum(toDecimal256(sum, 12)))
FROM meter_usage FINAL WHERE generation = 1 AND level = 0
GROUP BY partition, run, tenant_id, subject, meter_id
"""


class BrokenLawError(AssertionError):
    """A law does not hold."""


def check_laws(
    endpoints: Endpoints, meters: Meters, log: Log, again: Recount, known: Known, chunk: int
) -> dict[str, int]:
    """Check all of them; returns the counts of the log. Raises `BrokenLawError`."""
    check_log(log, known)
    check_outcomes(endpoints, again)
    check_quantities(endpoints, meters, log, again, chunk)
    return again.totals()


def check_log(log: Log, known: Known) -> None:
    """L1 and L2: what was acknowledged is there, at its place; what is there was sent."""
    there: Counter[str] = Counter()
    lost = dict(known.acknowledged)
    for partition, records in log.items():
        for offset, record in enumerate(records):
            found = digest(record.value)
            there[found] += 1
            if lost.get((partition, offset)) == found:
                del lost[partition, offset]
    _equal("L1: acknowledged, not in the log", lost, {})
    _equal("L2: in the log, never sent", there - known.sent, Counter())
    _equal("L2: in the log, but refused", there & known.refused, Counter())


def check_outcomes(endpoints: Endpoints, again: Recount) -> None:
    """L3: the outcome of every position, and the ledger of every chunk."""
    rows = _rows(endpoints, _LEDGER)
    ledger = {(row[0], row[1]): dict(zip(COUNTS, row[2:], strict=True)) for row in rows}
    _equal("L3: ledger, chunk by chunk", ledger, again.chunks)
    stored = {
        table: Counter(map(tuple, _rows(endpoints, _POSITIONS.format(table=table))))
        for table in ("usage_events", "stream_conflicts")
    }
    _equal("L3: accepted positions", stored["usage_events"], Counter(again.positions["accepted"]))
    _equal(
        "L3: conflicting positions",
        stored["stream_conflicts"],
        Counter(again.positions["conflicts"]),
    )
    _equal("L3: rejected positions", _dead_letters(endpoints), again.positions["rejected"])


def check_quantities(
    endpoints: Endpoints, meters: Meters, log: Log, again: Recount, chunk: int
) -> None:
    """L4: totals of complete chunks, what a reader sees, and the product's own proof."""
    slugs = {str(meter.id): meter.slug for mine in meters.values() for meter in mine}
    complete = {partition: len(records) // chunk for partition, records in log.items()}
    stored = {
        (partition, run, tenant, subject, slugs[str(meter)]): (*counts, Decimal(total))
        for partition, run, tenant, subject, meter, *counts, total in _rows(endpoints, _TOTALS)
        if slugs[str(meter)] in _LINEAR
    }
    expected = {
        (*cell, slug): figures
        for cell, found in again.cells.items()
        if cell[1] < complete[cell[0]]
        for slug, figures in _figures(found)
    }
    _equal("L4: totals of complete chunks", stored, expected)
    _equal("L4: what a reader sees", _read(endpoints, meters), _expected(again))
    report = verify(endpoints.clickhouse, [meter for mine in meters.values() for meter in mine])
    if report.differences:
        raise BrokenLawError(f"verify: {report.differences[:3]}")
    _equal("verify: totals of the ledger", report.totals, again.totals())


def _figures(cell: Cell) -> Iterable[tuple[str, tuple[int, int, int, Decimal]]]:
    yield "requests", (cell.requests, cell.requests_voided, 0, Decimal(0))
    yield "tokens", (cell.metered, cell.metered_voided, cell.unmeterable, cell.tokens)


def _expected(again: Recount) -> dict[tuple[str, str, str], tuple[Decimal | None, int]]:
    found: dict[tuple[str, str, str], tuple[Decimal | None, int]] = {}
    for (tenant, subject), cell in again.usage().items():
        standing = again.standing[tenant, subject]
        values = [value for body in standing if (value := tokens_of(body)) is not None]
        requests = Decimal(cell.requests - cell.requests_voided)
        found[tenant, subject, "requests"] = (requests, 0)
        found[tenant, subject, "tokens"] = (cell.tokens, cell.unmeterable)
        found[tenant, subject, "largest"] = (max(values, default=None), cell.unmeterable)
        found[tenant, subject, "models"] = (Decimal(len({b["model"] for b in standing})), 0)
    return found


def _read(endpoints: Endpoints, meters: Meters) -> dict[tuple[str, str, str], Any]:
    reader = UsageReader(endpoints.clickhouse)
    found = {}
    try:
        cut = reader.cut()
        for tenant, mine in meters.items():
            slugs = {str(meter.id): meter.slug for meter in mine}
            for row in reader.period_usage(tenant, mine, PERIOD, cut).to_dicts():
                name = (str(tenant), row["subject"], slugs[row["meter_id"]])
                found[name] = (row["quantity"], row["unmeterable_count"])
    finally:
        reader.close()
    return found


def _rows(endpoints: Endpoints, statement: str) -> list[tuple[Any, ...]]:
    client = connect_clickhouse(endpoints.clickhouse)
    try:
        return [tuple(row) for row in client.query(statement).result_rows]
    finally:
        client.close()


def _dead_letters(endpoints: Endpoints) -> set[tuple[int, int, int]]:
    """Positions on the topic of dead letters, each however often it is there."""
    consumer = Consumer({"bootstrap.servers": endpoints.kafka, "group.id": "laws", "log_level": 0})
    found: set[tuple[int, int, int]] = set()
    try:
        where = TopicPartition(endpoints.dead_letters_topic(), 0, 0)
        _, high = consumer.get_watermark_offsets(where, timeout=_WAIT_SECONDS)
        consumer.assign([where])
        read, deadline = 0, monotonic_seconds() + _WAIT_SECONDS
        while read < high and monotonic_seconds() < deadline:
            for message in consumer.consume(500, 1.0):
                letter = json.loads(message.value() or b"")
                row = -1 if letter["row"] is None else letter["row"]
                found.add((letter["partition"], letter["offset"], row))
                read = (message.offset() or 0) + 1
    finally:
        consumer.close()
    return found


def _equal(what: str, found: Any, expected: Any) -> None:
    if found == expected:
        return
    if isinstance(found, dict) and isinstance(expected, dict):
        names = [name for name in {**found, **expected} if found.get(name) != expected.get(name)]
        shown = [(name, found.get(name), expected.get(name)) for name in names[:5]]
        raise BrokenLawError(f"{what}: {len(names)} differ, (where, found, expected): {shown}")
    raise BrokenLawError(
        f"{what}: {len(found - expected)} too many {sorted(found - expected)[:5]},"
        f" {len(expected - found)} missing {sorted(expected - found)[:5]}"
    )
