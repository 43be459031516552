"""Usage rows of several runs of the log to those of all of them together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from catalog.metering.plans import CompiledMeters
from catalog.metering.rows import COUNT_COLUMNS, KEY_COLUMNS, USAGE_COLUMNS, USAGE_SCHEMA

_LATEST: Final = ("latest", "latest_time", "latest_position")


def merge(
    rows: pl.DataFrame, compiled: CompiledMeters, by: Sequence[str] = (), *, days: bool = False
) -> pl.DataFrame:
    """Merge usage rows that differ in nothing but the run; with `days`, hours become UTC days.

    `rows` has `USAGE_COLUMNS` and `by`; rows of meters that `compiled` does not know are left out.
    Returns the same columns, sorted: what `total` returns for the events of all runs (by days: with
    `hour` the start of the day).
    """
    known = rows.select(pl.col(name).cast(dtype) for name, dtype in _schema(rows, by).items())
    known = known.filter(pl.col("meter_id").is_in(compiled.meters["meter_id"].unique().implode()))
    if days:
        known = known.with_columns(pl.col("hour").dt.truncate("1d"))
    keys = (*by, *KEY_COLUMNS)
    merged = known.group_by(keys).agg(
        *(pl.col(name).sum() for name in (*COUNT_COLUMNS, "sum")),
        pl.col("min").min(),
        pl.col("max").max(),
    )
    latest = (
        known.filter(pl.col("latest_time").is_not_null())
        .sort("latest_time", "latest_position")
        .group_by(keys)
        .agg(pl.col(*_LATEST).last())
    )
    distinct = (
        known.filter(pl.col("distinct_values").list.len() > 0)
        .select(*keys, pl.col("distinct_values").alias("value"))
        .explode("value")
        .unique()
        .sort("value")
        .group_by(keys, maintain_order=True)
        .agg(pl.col("value").alias("distinct_values"))
    )
    return (
        merged.join(latest, on=keys, how="left")
        .join(distinct, on=keys, how="left")
        .with_columns(
            pl.col("latest_position").fill_null(""), pl.col("distinct_values").fill_null([])
        )
        .select(*USAGE_COLUMNS, *by)
        .sort(keys)
    )


def _schema(rows: pl.DataFrame, by: Sequence[str]) -> pl.Schema:
    return pl.Schema(USAGE_SCHEMA | {name: rows.schema[name] for name in by})
