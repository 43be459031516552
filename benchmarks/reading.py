"""Usage of a month read in several ways, over a table of made events; see `bench_reads`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import polars as pl
from clickhouse_connect.driver.client import Client

from benchmarks.events import EVENT_TYPE, START
from benchmarks.installation import PARTITIONS, Installation, load_sql
from catalog.snapshot_content import CatalogSnapshot
from core.clock import epoch_micros, monotonic_seconds
from core.period import Period
from streams.jobs.compact import compact
from usage.cut import Cut
from usage.reader import UsageReader

MONTH: Final = Period(START, datetime(2026, 4, 1, tzinfo=UTC))
NAMES: Final = ("requests", "units", "tokens", "cached", "largest")
_CHUNK_RECORDS: Final = 64
_INSERT_EVENTS: Final = 2_000_000
_SECONDS: Final = 1_000_000
_CENTS: Final = 100
_YOUNG: Final = (1 << 24) - 1
"""A catalog version that no stored total knows."""

Usage = dict[str, tuple[Decimal, ...]]
"""Subject -> what it used of each of `NAMES`."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Made events: `events` of `subjects`, in whole chunks of envelopes of `envelope_events`."""

    events: int
    envelope_events: int
    subjects: int

    @classmethod
    def of(cls, events: int, envelope_events: int, subjects: int) -> Shape:
        """At least `events`."""
        unit = PARTITIONS * _CHUNK_RECORDS * envelope_events
        return cls(-(-events // unit) * unit, envelope_events, subjects)

    @property
    def chunks(self) -> int:
        """Chunks in each partition."""
        return self.events // (PARTITIONS * _CHUNK_RECORDS * self.envelope_events)


def make_events(
    where: Installation, client: Client, shape: Shape, tell: Callable[[int], None]
) -> None:
    """Put the events and their proof into the tables, without totals."""
    seconds = (epoch_micros(MONTH.end) - epoch_micros(MONTH.start)) // _SECONDS
    common = {"start": epoch_micros(MONTH.start) // _SECONDS, "size": shape.envelope_events}
    for first in range(0, shape.events, _INSERT_EVENTS):
        many = min(_INSERT_EVENTS, shape.events - first)
        asked: dict[str, object] = common | {
            "tenant": str(where.tenant_id), "type": EVENT_TYPE, "seconds": seconds,
            "events": shape.events, "subjects": shape.subjects, "first": first, "many": many,
        }  # fmt: skip
        client.command(load_sql("insert_made_events"), parameters=asked)
        tell(first + many)
    asked = {**common, "chunk": _CHUNK_RECORDS, "chunks": shape.chunks * PARTITIONS}
    client.command(load_sql("insert_made_ledger"), parameters=asked)


def total_up(where: Installation, events: int, tell: Callable[[int], None]) -> dict[str, Any]:
    """Let the product's own jobs make all totals and roll-ups."""
    began_seconds = monotonic_seconds()
    left: dict[Any, int] = {}

    def progress(part: Any, runs: int) -> None:
        left[part] = runs
        tell(events * len(left) // PARTITIONS - 1)

    tally = compact(
        where.endpoints.clickhouse, CatalogSnapshot(len(where.meters), where.meters), progress
    )
    seconds = monotonic_seconds() - began_seconds
    return {
        "seconds": round(seconds, 2),
        "events_per_second": round(tally.events / seconds),
        "runs_by_level": {str(level): count for level, count in sorted(tally.runs.items())},
    }


def usage_of_numbers(client: Client, shape: Shape) -> Usage:
    """What has to come out, from the numbers that the events were made of."""
    asked = {"events": shape.events, "subjects": shape.subjects}
    rows = client.query(load_sql("select_numbers_usage"), parameters=asked).result_rows
    found = {}
    for subject, requests, cents, *rest in rows:
        units = Decimal(cents) / _CENTS
        found[subject] = (Decimal(requests), units, *(Decimal(value) for value in rest))
    return found


class Readers:
    """The reader, the reader without stored totals, and an analyst's scan, of one month."""

    def __init__(self, where: Installation, client: Client) -> None:
        self._where, self._client = where, client
        self._reader = UsageReader(where.endpoints.clickhouse)
        self._young = tuple(replace(each, catalog_version=_YOUNG) for each in where.meters)

    def close(self) -> None:
        """Let go of the connections."""
        self._reader.close()

    def cut(self) -> Cut:
        """The newest cut."""
        return self._reader.cut()

    def read(self, cut: Cut | None, subjects: Sequence[str] | None = None) -> pl.DataFrame:
        """As the product reads; at the newest cut if none is given."""
        return self._reader.period_usage(
            self._where.tenant_id, self._where.meters, MONTH, cut or self.cut(), subjects
        )

    def from_events(self, cut: Cut, subjects: Sequence[str]) -> pl.DataFrame:
        """The same from events alone: of meters so young that no stored total knows them."""
        return self._reader.period_usage(self._where.tenant_id, self._young, MONTH, cut, subjects)

    def scan(self, subject: str | None = None) -> Usage:
        """As an analyst would ask."""
        name = "select_raw_usage" + ("_of_subject" if subject else "")
        asked = {
            "tenant": str(self._where.tenant_id), "type": EVENT_TYPE, "start": MONTH.start,
            "end": MONTH.end, "subject": subject,
        }  # fmt: skip
        rows = self._client.query(load_sql(name), parameters=asked).result_rows
        return {row[0]: tuple(Decimal(value) for value in row[1:]) for row in rows}

    def usage(self, rows: pl.DataFrame) -> Usage:
        """The reader's rows as the others answer."""
        places = {str(meter.id): NAMES.index(meter.slug) for meter in self._where.meters}
        found: dict[str, list[Decimal]] = {}
        for row in rows.to_dicts():
            values = found.setdefault(row["subject"], [Decimal(0)] * len(NAMES))
            values[places[row["meter_id"]]] = row["quantity"]
        return {subject: tuple(values) for subject, values in found.items()}


def plus(usage: Usage, more: Mapping[str, Sequence[int]]) -> Usage:
    """Usage with what an insert load says it wrote since."""
    found = dict(usage)
    for subject, (events, cents, tokens, cached, largest) in more.items():
        had = found.get(subject, (Decimal(0),) * len(NAMES))
        found[subject] = (
            had[0] + events, had[1] + Decimal(cents) / _CENTS, had[2] + tokens, had[3] + cached,
            max(had[4], Decimal(largest)),
        )  # fmt: skip
    return found


def differ(title: str, found: Usage, expected: Usage) -> list[str]:
    """One line if they differ, with the first subject of which they do."""
    for subject in sorted(found.keys() | expected.keys()):
        if found.get(subject) != expected.get(subject):
            return [f"{title}: {subject}: {found.get(subject)}, expected {expected.get(subject)}"]
    return []


def seconds_of(action: Callable[[], Any]) -> tuple[float, Any]:
    """How long it took, and what it gave."""
    began_seconds = monotonic_seconds()
    found = action()
    return monotonic_seconds() - began_seconds, found
