"""The events in slices: neighbours in the order in which they are stored, so none is read twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import polars as pl
from clickhouse_connect.driver.client import Client

import sql
from core.errors import ValidationError
from usage.spans import DAY_SECONDS
from usage.verify_ledger import LedgerFacts

_EVENTS_MAX: Final = 1_000_000
"""In one slice; a subject with more of them in one UTC day is a slice of its own."""

_NO_END: Final = 2**32 - 1
_CHUNKS: Final = re.compile(r"(\d{1,5})/(\d{1,5}):(\d{1,12})(?:-(\d{1,12}))?")


@dataclass(frozen=True, slots=True)
class ChunkRange:
    """Chunks `first` to `last`, both included, of one partition."""

    generation: int
    partition: int
    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> ChunkRange:
        """Read `GENERATION/PARTITION:FIRST-LAST`, or `…:CHUNK`. Raises `ValidationError`."""
        found = _CHUNKS.fullmatch(text)
        if found is None:
            raise ValidationError(
                f"chunks: {text!r} is not GENERATION/PARTITION:FIRST-LAST, such as 1/0:40-47",
                field="chunks",
            )
        generation, partition, first, last = found.groups()
        return cls(int(generation), int(partition), int(first), int(last or first))

    def __str__(self) -> str:
        return f"{self.generation}/{self.partition}:{self.first}-{self.last}"


@dataclass(frozen=True, slots=True)
class Slice:
    """Two queries that read the same stretch: its events and its stored totals."""

    events: str
    stored: str
    parameters: dict[str, Any]
    size: int


def of_chunks(chunks: ChunkRange, facts: LedgerFacts) -> Slice:
    """The slice of some chunks."""
    size = int(facts.chunks["chunk_records"][0])
    parameters = {
        "generation": chunks.generation,
        "partition": chunks.partition,
        "first": chunks.first * size,
        "end": (chunks.last + 1) * size,
        "first_run": chunks.first,
        "end_run": chunks.last + 1,
    }
    events = int(facts.chunks["accepted"].sum())
    return Slice("verify_events_of_runs", "verify_stored_of_runs", parameters, events)


def slices(client: Client) -> list[Slice]:
    """All events, by subjects; a subject with very many of them by days."""
    return list(_slices(client))


def _slices(client: Client) -> Iterator[Slice]:
    table = client.query_arrow(sql.load("clickhouse/queries/verify_sizes"))
    sizes = pl.DataFrame(pl.from_arrow(table))
    first: tuple[str, str] | None = None
    last, size = ("", ""), 0
    columns = (sizes[name].to_list() for name in ("tenant_id", "subject", "stored"))
    for tenant_id, subject, stored in zip(*columns, strict=True):
        if first is not None and size + stored > _EVENTS_MAX:
            yield _of_subjects(first, last, size)
            first, size = None, 0
        if stored > _EVENTS_MAX:
            yield from _of_days(client, (tenant_id, subject))
        else:
            first = first or (tenant_id, subject)
            last, size = (tenant_id, subject), size + stored
    if first is not None:
        yield _of_subjects(first, last, size)


def _of_subjects(
    first: tuple[str, str], last: tuple[str, str], size: int, start: int = 0, end: int = _NO_END
) -> Slice:
    parameters = {
        "first_tenant": first[0],
        "first_subject": first[1],
        "last_tenant": last[0],
        "last_subject": last[1],
        "start_seconds": start,
        "end_seconds": end,
    }
    return Slice("verify_events", "verify_stored", parameters, size)


def _of_days(client: Client, subject: tuple[str, str]) -> Iterator[Slice]:
    """Whole UTC days, so that roll-ups are in one slice, too."""
    where = {"tenant_id": subject[0], "subject": subject[1]}
    days = client.query(sql.load("clickhouse/queries/verify_days"), parameters=where).result_rows
    start, size = 0, 0
    for day, stored in days:
        if size and size + stored > _EVENTS_MAX:
            yield _of_subjects(subject, subject, size, start, day * DAY_SECONDS)
            start, size = day * DAY_SECONDS, 0
        size += stored
    yield _of_subjects(subject, subject, size, start)
