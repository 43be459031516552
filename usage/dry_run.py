"""What a meter would have counted over recent events: shown before it is created."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import polars as pl

import sql
from catalog.meter_definition import MeterDefinition
from catalog.metering.rows import REASON_COLUMNS
from core.clock import epoch_micros
from core.period import Period
from db.clickhouse import connect_clickhouse
from usage.answer import answer
from usage.ask import bounds
from usage.events import EVENTS, as_events, without_voided
from usage.gather import compile_all, measure_windows, total_windows
from usage.look import read_look
from usage.spans import Spans
from usage.troubles import clickhouse_troubles

LIMIT_EVENTS: Final = 100_000


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a meter makes of the newest events of its types.

    usage: one row per subject and dimensions, as `UsageReader.period_usage` has it. since: the
    oldest of the events that were read, None where there are none; a level from before is not
    known. reasons: how many events could not be read, by reason. `left_out` by the filter.
    """

    usage: pl.DataFrame
    since: datetime | None
    events_read: int
    counted: int
    left_out: int
    reasons: dict[str, int]

    def as_resource(self) -> dict[str, Any]:
        """The form that API and CLI show: quantities as exact texts."""
        rows = self.usage.select(
            "subject", "dimensions", pl.col("quantity").cast(pl.String), "event_count"
        ).to_dicts()
        return {
            "since": None if self.since is None else self.since.isoformat(),
            "events_read": self.events_read,
            "counted": self.counted,
            "left_out": self.left_out,
            "unmeterable": {name: count for name, count in self.reasons.items() if count},
            "usage": [
                {**row, "dimensions": json.loads(row["dimensions"]) if row["dimensions"] else []}
                for row in rows
            ],
        }


@dataclass(frozen=True, slots=True)
class EventsAtHand:
    """Events at hand, as a source of quantities."""

    events: pl.DataFrame
    by_dimensions: bool = True

    def rows(self, meters: Sequence[MeterDefinition], spans: Spans) -> pl.DataFrame:
        """`WINDOW_ROWS` of the events."""
        return total_windows(self.measured(meters, spans), meters, by_dimensions=True)

    def measured(self, meters: Sequence[MeterDefinition], spans: Spans) -> pl.DataFrame:
        """The events, measured."""
        return measure_windows(self.events, spans, compile_all(meters))


def dry_run(
    clickhouse_url: str,
    meter: MeterDefinition,
    period: Period,
    limit_events: int = LIMIT_EVENTS,
) -> DryRun:
    """Meter the newest `limit_events` events of a period that are of the meter's types.

    The meter need not exist; its id and catalog version have no meaning. Events that were taken
    back do not count. Raises `DependencyDownError` when ClickHouse does not answer.
    """
    events = without_voided(_read(clickhouse_url, meter, period, limit_events))
    since = events["time"].min()
    assert since is None or isinstance(since, datetime)
    source, spans = EventsAtHand(events), Spans.of([Period(since or period.start, period.end)])
    totals = source.rows([meter], spans)
    counted = int(totals["event_count"].sum())
    reasons = {name.removesuffix("_count"): int(totals[name].sum()) for name in REASON_COLUMNS}
    return DryRun(
        usage=answer(source, [meter], spans).drop("window").sort("subject", "dimensions"),
        since=since,
        events_read=len(events),
        counted=counted,
        left_out=len(events) - counted - sum(reasons.values()),
        reasons=reasons,
    )


def _read(
    clickhouse_url: str, meter: MeterDefinition, period: Period, limit_events: int
) -> pl.DataFrame:
    with closing(connect_clickhouse(clickhouse_url)) as client, clickhouse_troubles():
        parts = [(*part, end) for part, end in read_look(client).cut.by_partition().items()]
        if not parts:
            return pl.DataFrame(schema=EVENTS)
        generations, partitions, ends = zip(*parts, strict=True)
        parameters = {
            **bounds(Spans.of([period]).all_cells),
            "tenant_id": str(meter.tenant_id),
            "types": list(meter.event_types),
            "start_us": epoch_micros(period.start),
            "end_us": epoch_micros(period.end),
            "generations": list(generations),
            "partitions": list(partitions),
            "ends": list(ends),
            "limit": limit_events,
        }
        query = sql.load("clickhouse/queries/recent_events")
        return as_events(
            pl.DataFrame(pl.from_arrow(client.query_arrow(query, parameters=parameters)))
        )
