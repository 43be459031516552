"""Builders of logs for tests: envelopes from plain events, results in plain form."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any
from uuid import UUID

import polars as pl
import pyarrow as pa

from catalog.metering.aggregate import CompiledMeters, compile_meters
from catalog.meters import MeterDefinition
from core.clock import epoch_micros
from core.envelope import ENVELOPE_SCHEMA, encode_envelope
from core.events import VOID_TYPE, content_hash, event_key
from core.ids import MeterId, TenantId
from streams.generation import Generation
from streams.lane import Flush
from streams.records import Record
from streams.voids import TARGET_COLUMNS, TARGET_SCHEMA
from tests.streams.log_oracle import LogRecord, Sent

START = datetime(2026, 3, 1, tzinfo=UTC)
START_MS = epoch_micros(START) // 1000
TENANTS = (str(UUID(int=1)), str(UUID(int=2)))


def generation(chunk_records: int = 3, partitions: int = 1) -> Generation:
    return Generation(1, "usage.events", "id", partitions, chunk_records, 35 * 24 * 3600)


def meter(
    number: int, tenant: str, event_type: str, path: tuple[str, ...] | None
) -> MeterDefinition:
    return MeterDefinition(
        id=MeterId(UUID(int=1000 + number)),
        tenant_id=TenantId(UUID(tenant)),
        slug=f"meter-{number}",
        name=f"Meter {number}",
        event_types=(event_type,),
        aggregation="count" if path is None else "sum",
        value=None if path is None else ".".join(path),
        catalog_version=number,
    )


METERS = (
    meter(1, TENANTS[0], "call", None),
    meter(2, TENANTS[0], "call", ("n",)),
    meter(3, TENANTS[1], "call", ("n",)),
    meter(4, TENANTS[0], "call", ("deep", "n")),
)


def compiled(version: int = len(METERS)) -> CompiledMeters:
    return compile_meters(METERS, version)


def plain(meters: tuple[MeterDefinition, ...], version: int) -> list[dict[str, Any]]:
    """Meters as the oracle wants them."""
    return [
        {
            "id": str(meter.id),
            "tenant": str(meter.tenant_id),
            "type": meter.event_types[0],
            "path": None if meter.value is None else tuple(meter.value.split(".")),
        }
        for meter in meters
        if meter.catalog_version <= version
    ]


def key_of_sent(event: Sent) -> bytes:
    """The key of an event; a void has that of its target."""
    if event.type != VOID_TYPE:
        return event_key(event.tenant, event.source, event.id)
    target = json.loads(event.data)
    return event_key(event.tenant, target["source"], target["id"])


class StoredTargets:
    """What voids find: the events of the flushes written so far, as tables hold them."""

    def __init__(self) -> None:
        self.written: list[pl.DataFrame] = []

    def write(self, flush: Flush) -> Flush:
        """Take a flush for written."""
        self.written.append(flush.events.select(TARGET_COLUMNS))
        return flush

    def find(self, keys: pl.Series, before: int) -> pl.DataFrame:
        """As `FindTargets`."""
        if not self.written:
            return pl.DataFrame(schema=TARGET_SCHEMA)
        asked = pl.col("key").is_in(keys.implode())
        return pl.concat(self.written).filter(asked & (pl.col("offset") < before))


def envelope(events: tuple[Sent, ...]) -> bytes:
    columns: dict[str, list[object]] = {
        "tenant_id": [event.tenant for event in events],
        "key": [key_of_sent(event) for event in events],
        "content_hash": [
            content_hash(event.type, event.subject, None, event.data.encode()) for event in events
        ],
        "id": [event.id for event in events],
        "source": [event.source for event in events],
        "type": [event.type for event in events],
        "subject": [event.subject for event in events],
        "time": [event.time for event in events],
        "received_at": [event.time for event in events],
        "data": [event.data.encode() for event in events],
    }
    return encode_envelope(pa.RecordBatch.from_pydict(columns, ENVELOPE_SCHEMA))


def to_records(log: list[LogRecord]) -> list[Record]:
    return [
        Record(
            offset,
            record.timestamp_ms,
            b"no envelope" if record.events is None else envelope(record.events),
        )
        for offset, record in enumerate(log)
    ]


def verdicts_of(flushes: list[Flush]) -> dict[tuple[int, int], str]:
    return {
        (offset, row): verdict
        for flush in flushes
        for verdict, frame in (
            ("accepted", flush.events),
            ("conflicts", flush.conflicts),
            ("rejected", flush.rejected),
        )
        for offset, row in frame.select("offset", "row").rows()
    }


def counts_of(flushes: list[Flush]) -> dict[int, dict[str, int]]:
    """The last ledger row of each chunk."""
    rows = [row for flush in flushes for row in flush.ledger.to_dicts()]
    names = ("records", "events", "accepted", "duplicates", "conflicts", "rejected")
    return {row["run"]: {name: row[name] for name in names} for row in rows}


def cells_of(flushes: list[Flush]) -> dict[tuple[Any, ...], tuple[int, int, int, Fraction]]:
    rows = pl.concat(flush.usage for flush in flushes if flush.usage is not None).to_dicts()
    return {
        (row["run"], row["meter_id"], row["subject"], row["hour"]): (
            row["event_count"],
            row["voided_count"],
            row["unmeterable_count"],
            Fraction(row["sum"]),
        )
        for row in rows
    }
