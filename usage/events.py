"""Reads of raw events: stretches of the log and hours that no stored total answers for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

import polars as pl
from clickhouse_connect.driver.client import Client

import sql
from catalog.meter_definition import MeterDefinition
from usage.ask import Who, bounds, portions
from usage.plan import OffsetRange
from usage.spans import Cells

EVENTS: Final = pl.Schema(
    {
        "tenant_id": pl.String(),
        "type": pl.String(),
        "subject": pl.String(),
        "time": pl.Datetime("us", "UTC"),
        "data": pl.Binary(),
        "sign": pl.Int8(),
        "generation": pl.UInt16(),
        "partition": pl.UInt16(),
        "offset": pl.UInt64(),
        "row": pl.UInt32(),
        "key": pl.Binary(),
    }
)
POSITION: Final = ("generation", "offset", "row")
"""Orders the copies of one key: within a generation they are all in one partition."""


def read_events(
    client: Client,
    who: Who,
    meters: Sequence[MeterDefinition],
    hours: Sequence[Cells],
    ranges: Sequence[OffsetRange],
) -> Iterator[pl.DataFrame]:
    """`EVENTS` of some UTC hours and stretches of the log, in blocks, in no order."""
    of_generation: defaultdict[int, list[OffsetRange]] = defaultdict(list)
    for each in ranges:
        of_generation[each.generation].append(each)
    for some_ranges in of_generation.values():
        for some_hours in portions(hours):
            parameters = {
                **event_parameters(who, meters, some_ranges),
                **bounds(some_hours),
                "first_hours": [each.first for each in some_hours],
                "end_hours": [each.end for each in some_hours],
            }
            query = sql.load("clickhouse/queries/events_of_span")
            with client.query_arrow_stream(
                query, parameters=parameters, settings=who.settings()
            ) as blocks:
                for block in blocks:
                    yield as_events(pl.DataFrame(pl.from_arrow(block)))


def event_parameters(
    who: Who, meters: Sequence[MeterDefinition], ranges: Sequence[OffsetRange]
) -> dict[str, Any]:
    """Whose events, of which types, and stretches of one generation, as bound into a query."""
    return {
        **who.parameters(),
        "types": sorted({kind for meter in meters for kind in meter.event_types}),
        "generation": ranges[0].generation,
        "lowest": min(each.first for each in ranges),
        "highest": max(each.end for each in ranges),
        "partitions": [each.partition for each in ranges],
        "firsts": [each.first for each in ranges],
        "ends": [each.end for each in ranges],
    }


def as_events(found: pl.DataFrame) -> pl.DataFrame:
    """An answer of ClickHouse with the types of `EVENTS`."""
    return found.select(pl.col(name).cast(EVENTS[name]) for name in found.columns)


def without_voided(events: pl.DataFrame) -> pl.DataFrame:
    """The events that no void takes back, without the voids.

    `events` has every copy of each of its keys up to the cut, voids among them. A void takes back
    the copy right before it in the log.
    """
    ordered = events.sort("key", *POSITION)
    voided_next = (pl.col("sign").shift(-1) < 0) & (pl.col("key").shift(-1) == pl.col("key"))
    return ordered.filter((pl.col("sign") > 0) & ~voided_next.fill_null(value=False))
