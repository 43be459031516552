"""Events that a meter could not read: which, and why. Found by the counts, read from the events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl
from clickhouse_connect.driver.client import Client

import sql
from catalog.meter_definition import MeterDefinition, counted_period
from catalog.metering.aggregate import total
from catalog.metering.rows import REASON_COLUMNS
from core.period import Period
from db.clickhouse import connect_clickhouse
from usage.ask import Who, bounds, everyone
from usage.events import event_parameters, read_events, without_voided
from usage.gather import compile_all, measure_windows
from usage.look import Look, read_look
from usage.plan import OffsetRange
from usage.spans import DAY_SECONDS, Cells, Spans, as_hours
from usage.stored import run_parameters
from usage.troubles import clickhouse_troubles

ALL_TIME: Final = Period(datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
UNMETERABLE: Final = pl.Schema(
    {
        "id": pl.String(),
        "source": pl.String(),
        "subject": pl.String(),
        "time": pl.Datetime("us", "UTC"),
        "reason": pl.String(),
        "generation": pl.UInt16(),
        "partition": pl.UInt16(),
        "offset": pl.UInt64(),
        "row": pl.UInt32(),
    }
)
_PLACE: Final = ("generation", "partition", "offset", "row")
_PLACES_MAX: Final = 2_000
_Days = dict[int, set[str] | None]
"""By day: subjects to look at, None for all of them."""


def unmeterable_events(
    clickhouse_url: str, meter: MeterDefinition, period: Period = ALL_TIME, limit: int = 1000
) -> pl.DataFrame:
    """The first `limit` events of a period that a meter could not read, by event time.

    Returns `UNMETERABLE`, at the newest cut; events that were taken back are not among them.
    `reason` is missing, not_a_number, too_large, too_precise or too_long. Raises
    `DependencyDownError` when ClickHouse does not answer.
    """
    counted = counted_period(meter, period)
    found = [pl.DataFrame(schema=UNMETERABLE)]
    if counted is None:
        return found[0]
    with closing(connect_clickhouse(clickhouse_url)) as client, clickhouse_troubles():
        look, left = read_look(client), limit
        days = _days(client, meter, Spans.of([counted]), look)
        for day in sorted(days):
            if left > 0:
                some = _of_day(client, meter, counted, look, day, days[day]).head(left)
                found.append(_with_ids(client, meter, some))
                left -= len(some)
    return pl.concat(found)


def _days(client: Client, meter: MeterDefinition, spans: Spans, look: Look) -> _Days:
    """Where to look: what totals count, and whatever no totals answer for."""
    cover = look.ledger.cover(look.cut, meter.catalog_version)
    # Whole days: the rows of roll-ups stand at the start of theirs, wherever the period begins.
    where = bounds(spans.all_cells)
    first, end = where["start_seconds"], where["end_seconds"]
    where = bounds([Cells(first // DAY_SECONDS, -(-end // DAY_SECONDS), 0, DAY_SECONDS)])
    days: defaultdict[int, set[str] | None] = defaultdict(set)
    for ranges in _by_generation(cover.events):
        parameters = where | event_parameters(Who(meter.tenant_id), [meter], ranges)
        for (day,) in _rows(client, "days_of_events", parameters):
            days[day] = None
    if cover.runs:
        parameters = where | run_parameters(cover.runs)
        parameters |= {"tenant_id": str(meter.tenant_id), "meter_id": str(meter.id)}
        parameters |= {"types": list(meter.event_types)}
        for query in ("unmeterable_cells", "days_of_voids"):
            for day, subjects in _rows(client, query, parameters):
                known = days[day]
                if known is not None:
                    known.update(subjects)
    return days


def _rows(client: Client, query: str, parameters: dict[str, Any]) -> Sequence[Sequence[Any]]:
    return client.query(sql.load(f"clickhouse/queries/{query}"), parameters=parameters).result_rows


def _by_generation(ranges: Sequence[OffsetRange]) -> Iterator[list[OffsetRange]]:
    for generation in sorted({each.generation for each in ranges}):
        yield [each for each in ranges if each.generation == generation]


def _of_day(
    client: Client,
    meter: MeterDefinition,
    counted: Period,
    look: Look,
    day: int,
    subjects: set[str] | None,
) -> pl.DataFrame:
    """`UNMETERABLE` but for id and source, of one day."""
    whole = Cells(day, day + 1, 0, DAY_SECONDS)
    spans, compiled = Spans.of([counted]), compile_all([meter])
    everything = [OffsetRange(*part, 0, end) for part, end in look.cut.by_partition().items()]
    some = None if subjects is None else sorted(subjects)
    events = [
        measure_windows(block, spans, compiled)
        for who in everyone(meter.tenant_id, some)
        for block in read_events(client, who, [meter], as_hours([whole]), everything)
    ]
    if not events:
        return pl.DataFrame(schema=UNMETERABLE).drop("id", "source")
    left = without_voided(pl.concat(events))
    single = total(left, compiled, _PLACE).filter(pl.col("unmeterable_count") > 0)
    reasons = [
        pl.when(pl.col(name) > 0).then(pl.lit(name.removesuffix("_count")))
        for name in REASON_COLUMNS
    ]
    return (
        single.join(left.select(*_PLACE, "time"), on=_PLACE)
        .with_columns(pl.coalesce(reasons).alias("reason"))
        .select(name for name in UNMETERABLE if name not in {"id", "source"})
        .sort("time", *_PLACE)
    )


def _with_ids(client: Client, meter: MeterDefinition, some: pl.DataFrame) -> pl.DataFrame:
    """The same events with id and source, in the same order."""
    parts = [pl.DataFrame(schema=UNMETERABLE)]
    for few in some.iter_slices(_PLACES_MAX):
        for who in everyone(meter.tenant_id, few["subject"].to_list()):
            mine = few.filter(pl.col("subject").is_in(list(who.subjects)))
            hours = mine["time"].dt.epoch("s") // 3600
            parameters = who.parameters() | {
                "places": mine.select(_PLACE).rows(),
                **bounds([Cells(int(str(hours.min())), int(str(hours.max())) + 1, 0)]),
            }
            table = client.query_arrow(
                sql.load("clickhouse/queries/ids_of_events"), parameters=parameters
            )
            ids = pl.DataFrame(pl.from_arrow(table))
            parts.append(mine.join(ids, on=_PLACE, how="left").select(UNMETERABLE.names()))
    return pl.concat(parts).sort("time", *_PLACE)
