"""The model's schedules, replayed against the worker's own pure parts.

A `ShadowWorld` asks them wherever the model decides something, and asserts that both say the same:
verdicts, chunks and totals of `streams.lane`, coverage and start of `streams.ledger`, the plan of
`streams.jobs.plan`, the cover of `usage.plan`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final
from unittest.mock import patch
from uuid import UUID

import numpy as np
import polars as pl
import pyarrow as pa

import streams.lane
import usage.plan
from catalog.metering.aggregate import CompiledMeters, compile_meters
from catalog.meters import MeterDefinition
from core.clock import epoch_micros
from core.envelope import ENVELOPE_SCHEMA, encode_envelope
from core.errors import ConflictError
from core.generation_end import end_marker
from core.ids import MeterId, TenantId
from streams import records
from streams.generation import Generation
from streams.index import DedupeIndex
from streams.jobs.plan import plan
from streams.ledger import Ledger
from tests.model import lanes, world
from tests.model.log import (
    CHUNK,
    HORIZON,
    LEVELS,
    PARTITIONS,
    ROLL,
    Event,
    LedgerRow,
    Part,
    Record,
    aggregate,
)
from usage.cut import Cut

TICK_MS: Final = 1000
START: Final = datetime(2026, 3, 1, tzinfo=UTC)
START_MS: Final = epoch_micros(START) // 1000
TENANT: Final = UUID(int=7)
FOREVER: Final = 64
_KEYS: Final = ("run", "last_offset", "log_time_ms", "catalog_version")
_HALF: Final = 8


@cache
def meters(version: int) -> CompiledMeters:
    """The model's meters 1..version: each leaves out the keys k with (k + meter) % 3 = 0."""
    return compile_meters([meter(number) for number in range(1, version + 1)], version)


def meter(number: int) -> MeterDefinition:
    return MeterDefinition.from_document(
        {
            "event_type": "used",
            "aggregation": "sum",
            "value": "n",
            "filter": {"path": "k", "not_in": [str(-number % 3)]},
        },
        meter_id=MeterId(UUID(int=number)),
        tenant_id=TenantId(TENANT),
        slug=f"meter-{number}",
        name=f"Meter {number}",
        catalog_version=number,
    )


def key_bytes(key: int) -> bytes:
    return key.to_bytes(16, "big")


def to_record(offset: int, record: Record, generation: int) -> records.Record:
    """A record of the model as the worker reads it; value 0 breaks the contract there, too."""
    value = envelope(record.events) if record.events else end_marker(generation)
    return records.Record(offset, START_MS + record.time * TICK_MS, value)


def envelope(events: list[Event]) -> bytes:
    columns: dict[str, list[Any]] = {
        "tenant_id": [str(TENANT)] * len(events),
        "key": [key_bytes(event.key) for event in events],
        "content_hash": [event.value for event in events],
        "id": [str(event.key) for event in events],
        "source": ["model"] * len(events),
        "type": ["used"] * len(events),
        "subject": ["subject" if event.value else "" for event in events],
        "time": [START + timedelta(hours=event.hour) for event in events],
        "received_at": [START] * len(events),
        "data": [b'{"k":"%d","n":%d}' % (event.key % 3, event.value) for event in events],
    }
    return encode_envelope(pa.RecordBatch.from_pydict(columns, ENVELOPE_SCHEMA))


def no_targets(keys: pl.Series, before: int) -> pl.DataFrame:
    raise AssertionError((keys, before))


def ledger_frame(rows: list[tuple[int, int, LedgerRow]]) -> pl.DataFrame:
    """Rows (level, run, ledger row) as `streams.jobs.plan` and `streams.ledger` read them."""
    counts = [row.counts or [0] * 4 for _, _, row in rows]
    columns = {
        "level": ([level for level, _, _ in rows], pl.UInt8),
        "run": ([run for _, run, _ in rows], pl.UInt64),
        "last_offset": ([row.last for _, _, row in rows], pl.UInt64),
        "log_time_ms": ([row.time * TICK_MS for _, _, row in rows], pl.Int64),
        "catalog_version": ([row.catalog for _, _, row in rows], pl.UInt32),
        "records": ([0] * len(rows), pl.UInt64),
        "events": ([sum(each) for each in counts], pl.UInt64),
        "accepted": ([each[0] for each in counts], pl.UInt64),
        "duplicates": ([each[1] for each in counts], pl.UInt64),
        "conflicts": ([each[2] for each in counts], pl.UInt64),
        "rejected": ([each[3] for each in counts], pl.UInt64),
    }
    return pl.DataFrame(
        [pl.Series(name, values, dtype=kind) for name, (values, kind) in columns.items()]
    )


class ShadowLane(lanes.Lane):
    """A lane of the model with the worker's lane beside it, fed with the same records."""

    def __init__(
        self, whole: world.World, part: Part, start: int, before: LedgerRow | None, catalog: int
    ) -> None:
        super().__init__(whole, part, start, before, catalog)
        index = DedupeIndex(HORIZON * TICK_MS)
        held = sorted(self.index.values(), key=lambda each: each.time)
        raw = b"".join(key_bytes(each.event.key) for each in held)
        index.hold(
            np.frombuffer(raw, ">u8").astype(np.uint64).reshape(-1, 2),
            np.array([each.event.value for each in held], np.uint64),
            np.array([START_MS + each.time * TICK_MS for each in held], np.int64),
        )
        generation = Generation(
            part.generation, "log", "id", PARTITIONS[part.generation], CHUNK, HORIZON
        )
        now_ms = START_MS + self.now * TICK_MS if before else 0
        self.real = streams.lane.Lane(
            generation, part.number, start, now_ms, index, meters(catalog), no_targets
        )
        if before and start % CHUNK:
            self.real.resume(*self.head(start, before))

    def head(self, start: int, before: LedgerRow) -> tuple[list[int], pl.DataFrame]:
        first = start - start % CHUNK
        counts = [start % CHUNK, sum(before.counts), *before.counts]
        stored = {
            at: held.event
            for at, held in self.world.events.read().items()
            if at.part == self.part and first <= at.offset < start
        }
        events = list(stored.values())
        frame = pl.DataFrame(pl.from_arrow(_decoded(events))).select(
            "tenant_id", "type", "subject", "time", "data"
        )
        return counts, frame.with_columns(
            pl.lit(self.part.generation, pl.UInt16).alias("generation"),
            pl.lit(self.part.number, pl.UInt16).alias("partition"),
            pl.Series("offset", [at.offset for at in stored], dtype=pl.UInt64),
            pl.Series("row", [at.row for at in stored], dtype=pl.UInt32),
            pl.lit(1, pl.Int8).alias("sign"),
        )

    def flush(self) -> None:
        queued, catalog = len(self.queue), self.catalog
        log = self.world.topics[self.part]
        fed = [
            to_record(offset, log[offset], self.part.generation)
            for offset in range(self.written, min(self.offset, len(log)))
        ]
        super().flush()
        if len(self.queue) <= queued:  # nothing new, or stopped
            return
        said = list(self.queue)[queued:]
        (flush,) = self.real.step(fed, meters(catalog))
        self.compare(flush, said)

    def compare(self, flush: streams.lane.Flush, said: list[Any]) -> None:
        """The worker's flush, row for row, beside what the model queued."""
        events = {(at.offset, at.row): held.event.key for at, _, held in said[0][1]}
        keys = [int.from_bytes(key, "big") for key in flush.events["key"]]
        positions = flush.events.select("offset", "row").rows()
        assert dict(zip(positions, keys, strict=True)) == events
        ((cell, _, row),) = said[2][1]
        mine = flush.ledger.row(-1, named=True)
        names = ("accepted", "duplicates", "conflicts", "rejected")
        assert [mine[name] for name in names] == row.counts
        time_ms = START_MS + row.time * TICK_MS
        assert [mine[name] for name in _KEYS] == [cell[3], row.last, time_ms, row.catalog]
        if (row.last + 1) % CHUNK:
            assert flush.usage is None
            return
        assert flush.usage is not None
        totals = {
            (UUID(each["meter_id"]).int, (each["hour"] - START) // timedelta(hours=1)): each["sum"]
            for each in flush.usage.to_dicts()
        }
        assert totals == {key[:2]: total for key, _, total in said[1][1]}


def _decoded(events: list[Event]) -> pa.Table:
    reader = pa.ipc.open_stream(envelope(events))
    return reader.read_all()


class ShadowWorld(world.World):
    """The model's world, deciding as the worker does."""

    def ledger_of(self, part: Part) -> list[tuple[int, int, LedgerRow]]:
        rows = self.ledger.read()
        mine = {key: row for key, row in rows.items() if Part(*key[:2]) == part}
        return [(key[2], key[3], row) for key, row in sorted(mine.items())]

    def real_ledger(self, part: Part) -> Ledger:
        frame = ledger_frame(self.ledger_of(part)).filter(pl.col("level") == 0)
        return Ledger(frame, CHUNK)

    def covered(self, part: Part) -> int:
        covered = super().covered(part)
        assert self.real_ledger(part).covered == covered
        return covered

    def start(self, part: Part) -> int:
        try:
            return self.real_ledger(part).start(self.first[part])
        except ConflictError:  # more is lost than the ledger proves: the model refuses, too
            assert super().start(part) < self.first[part]
            return super().start(part)

    def serve(self, meter: int, look: Any) -> Any:
        """Served by the worker's cover; the model's own greedy cover must say the same."""
        served: Counter[tuple[int, int]] = Counter()
        rows = [
            {"generation": key[0], "partition": key[1], "level": key[2], "run": key[3]}
            | {"last_offset": row.last, "catalog_version": row.catalog}
            for key, row in look.ledger.items()
        ]
        schema = ("generation", "partition", "level", "run", "last_offset", "catalog_version")
        frame = pl.DataFrame(rows, schema=dict.fromkeys(schema, pl.Int64))
        cut = Cut({f"{part.generation}/{part.number}": end for part, end in look.cut.items()})
        cover = usage.plan.Ledger(frame, dict.fromkeys(PARTITIONS, CHUNK)).cover(cut, meter)
        stored = self.usage.read()
        for runs in cover.runs:
            for run in range(runs.first_run, runs.end_run):
                cell = self.cell(Part(runs.generation, runs.partition), runs.level, run)
                served.update({k[:2]: stored[k] for k in stored if k[0] == meter and k[2] == cell})
        for span in cover.events:
            part = Part(span.generation, span.partition)
            served.update(aggregate(self.stored(part, span.first, span.end), [meter]))
        assert served == super().serve(meter, look)
        return served

    def settle(self) -> None:
        super().settle()
        for part in self.log:
            self.compare_jobs(part)
        self.look()
        self.answer(self.looks[-1])

    def compare_jobs(self, part: Part) -> None:
        """A new meter: the planned jobs are jobs of the model, and after them none is left."""
        self.create_meter(0)
        jobs = plan(
            ledger_frame(self.ledger_of(part)), self.catalogs[-1], CHUNK, roll=ROLL, levels=LEVELS
        )
        for job in jobs:
            for row in job.ledger.to_dicts():
                writer = self.job(part, job.level, row["run"])
                assert writer, (part, job)
                ((_, _, ledger),) = writer.queue[1][1]
                assert (row["last_offset"], row["catalog_version"]) == (ledger.last, ledger.catalog)
                writer.write()
        rest = [
            (level, run) for level in range(LEVELS) for run in range(FOREVER)
            if self.job(part, level, run)
        ]  # fmt: skip
        assert not rest, f"{part}: jobs that were not planned: {rest}"


@contextmanager
def shadowed() -> Iterator[None]:
    """Worlds made by `schedules` are shadow worlds; the worker's constants are the model's."""
    with (
        patch("tests.model.schedules.World", ShadowWorld),
        patch("tests.model.world.Lane", ShadowLane),
        patch("usage.plan.ROLL", ROLL),
        patch("usage.plan.span_of", lambda level, chunk: chunk * ROLL**level),
    ):
        yield
