"""Reads of stored totals, merged by window, meter and subject inside ClickHouse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import polars as pl
from clickhouse_connect.driver.client import Client

import sql
from catalog.meter_definition import MeterDefinition
from catalog.metering.aggregate import USAGE_SCHEMA
from catalog.metering.aggregations import AGGREGATIONS
from catalog.metering.rows import COUNT_COLUMNS
from usage.ask import Who, bounds, portions
from usage.plan import RunRange
from usage.spans import Cells

WINDOW_ROWS: Final = pl.Schema({"window": pl.UInt32(), **USAGE_SCHEMA})
"""Usage rows of whole windows: `hour` has no meaning in them, and is always the same."""

_NO_WINDOW: Final = 2**32 - 1
_RANGES_MAX: Final = 2000
_ORDERED: Final = {"min", "max", "latest"}
_DISTINCT: Final = {"distinct_values"}

_MERGED: Final = {
    "events": "event_count",
    "voided": "voided_count",
    "unmeterable": "unmeterable_count",
    "summed": "sum",
    "least": "min",
    "greatest": "max",
    "newest_value": "latest",
    "newest_time": "latest_time",
    "newest_position": "latest_position",
    "distinct_set": "distinct_values",
}
_EMPTY: Final[dict[str, Any]] = {
    **dict.fromkeys(COUNT_COLUMNS, 0),
    "sum": 0,
    "latest_position": "",
    "distinct_values": [],
    "hour": 0,
}


def read_stored(
    client: Client,
    who: Who,
    meters: Sequence[MeterDefinition],
    cells: Sequence[Cells],
    runs: Sequence[RunRange],
    *,
    by_dimensions: bool,
) -> Iterator[pl.DataFrame]:
    """`WINDOW_ROWS` of some runs and of cells that are equally long.

    One frame per query; within it, one row per window, meter, subject and dimensions.
    """
    needed = {column for meter in meters for column in AGGREGATIONS[meter.aggregation].columns}
    for some in portions(cells):
        for start in range(0, len(runs), _RANGES_MAX):
            parameters = {
                **who.parameters(),
                **_of_cells(some),
                **run_parameters(runs[start : start + _RANGES_MAX]),
                "meter_ids": [str(meter.id) for meter in meters],
                "by_dimensions": by_dimensions,
                "ordered": bool(needed & _ORDERED),
                "distinct": bool(needed & _DISTINCT),
                "no_window": _NO_WINDOW,
            }
            query = sql.load("clickhouse/queries/stored_totals")
            found = client.query_arrow(query, parameters=parameters, settings=who.settings())
            yield window_rows(pl.DataFrame(pl.from_arrow(found)), str(who.tenant_id))


def _of_cells(cells: Sequence[Cells]) -> dict[str, Any]:
    return {
        "firsts": [each.first for each in cells],
        "ends": [each.end for each in cells],
        "windows": [each.window for each in cells],
        "cell_seconds": cells[0].seconds,
        **bounds(cells),
    }


def run_parameters(runs: Sequence[RunRange]) -> dict[str, Any]:
    """Runs as bound into a query: each, and the bounds of chunks and of higher levels."""
    chunks = [each for each in runs if not each.level]
    rolls = [each for each in runs if each.level]
    return {
        "levels": sorted({each.level for each in runs}),
        "lowest_chunk": min((each.first_run for each in chunks), default=0),
        "end_chunk": max((each.end_run for each in chunks), default=0),
        "lowest_roll": min((each.first_run for each in rolls), default=0),
        "end_roll": max((each.end_run for each in rolls), default=0),
        "range_generations": [each.generation for each in runs],
        "range_partitions": [each.partition for each in runs],
        "range_levels": [each.level for each in runs],
        "first_runs": [each.first_run for each in runs],
        "end_runs": [each.end_run for each in runs],
    }


def window_rows(found: pl.DataFrame, tenant_id: str) -> pl.DataFrame:
    """An answer of ClickHouse as `WINDOW_ROWS`; what it has no column for is empty."""
    named = found.rename({name: to for name, to in _MERGED.items() if name in found.columns})
    named = named.with_columns(pl.lit(tenant_id).alias("tenant_id"))
    return named.select(
        (pl.col(name) if name in named.columns else pl.lit(_EMPTY.get(name)))
        .cast(dtype)
        .alias(name)
        for name, dtype in WINDOW_ROWS.items()
    )
