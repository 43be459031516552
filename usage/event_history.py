"""The events of some subjects as they were sent, in blocks that fit into memory however many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl
from clickhouse_connect.driver.client import Client

import sql
from core.clock import epoch_micros
from core.ids import TenantId
from core.period import Period
from usage.ask import everyone
from usage.cut import Cut
from usage.events import POSITION, without_voided

ROWS_MAX: Final = 100_000
"""About this many events in one block."""

_SENT: Final = pl.Schema(
    {
        "type": pl.String(),
        "subject": pl.String(),
        "time": pl.Datetime("us", "UTC"),
        "data": pl.Binary(),
        "source": pl.String(),
        "id": pl.String(),
        "sign": pl.Int8(),
        "generation": pl.UInt16(),
        "partition": pl.UInt16(),
        "offset": pl.UInt64(),
        "row": pl.UInt32(),
        "key": pl.Binary(),
    }
)


@dataclass(frozen=True, slots=True)
class Span:
    """Some subjects in a half-open period of event time."""

    subjects: tuple[str, ...]
    period: Period


def live_events(
    client: Client, tenant_id: TenantId, spans: Sequence[Span], cut: Cut
) -> Iterator[pl.DataFrame]:
    """The events at the cut that no void takes back; the same ones however often it is asked.

    Blocks of type, subject, source, id String, time Datetime(us, UTC), data Binary, generation,
    partition UInt16, offset UInt64, row UInt32; each in the order of generation, offset, row.
    """
    parts = cut.by_partition()
    at_cut: dict[str, Any] = {
        "generations": [generation for generation, _ in parts],
        "partitions": [partition for _, partition in parts],
        "ends": list(parts.values()),
    }
    for span in spans:
        times = {
            "start_us": epoch_micros(span.period.start),
            "end_us": epoch_micros(span.period.end),
        }
        for who in everyone(tenant_id, span.subjects):
            asked = {**at_cut, **times, **who.parameters()}
            hours = client.query(
                sql.load("clickhouse/queries/event_hours"), parameters=asked
            ).result_rows
            for first, last, rows in _windows(hours):
                window = asked | {"first_seconds": first, "last_seconds": last}
                yield from _window(client, window, -(-rows // ROWS_MAX))


def _windows(hours: Sequence[Sequence[int]]) -> Iterator[tuple[int, int, int]]:
    """Consecutive hours with about `ROWS_MAX` rows, or one with more: first, last, rows."""
    first = last = rows = 0
    for hour, count in hours:
        if rows and rows + count > ROWS_MAX:
            yield first, last, rows
            rows = 0
        first = first if rows else hour
        last, rows = hour, rows + count
    if rows:
        yield first, last, rows


def _window(client: Client, window: dict[str, Any], shares: int) -> Iterator[pl.DataFrame]:
    for share in range(shares):
        table = client.query_arrow(
            sql.load("clickhouse/queries/events_of_subjects"),
            parameters=window | {"share": share, "shares": shares},
        )
        found = pl.DataFrame(pl.from_arrow(table))
        rows = found.select(pl.col(name).cast(kind) for name, kind in _SENT.items())
        live = without_voided(rows).drop("key", "sign")
        if len(live):
            yield live.sort("generation", "partition", *POSITION[1:])
