"""Usage told apart by other groups than subjects: by some dimensions, or by nothing at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from catalog.meter_definition import MeterDefinition, counted_period
from catalog.metering.aggregations import AGGREGATIONS
from core.errors import BusinessLogicError, ValidationError
from core.period import Period
from usage.answer import answer_of_rows
from usage.cut import Cut
from usage.gather import compile_all, merge_windows
from usage.quantities import ANSWER
from usage.reader import UsageReader


@dataclass(frozen=True, slots=True)
class Grouping:
    """What groups are told apart by, and which events they are made of.

    `where` names dimensions and the values that count. An event without a value has the empty text.
    """

    by_subject: bool = False
    dimensions: tuple[str, ...] = ()
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)


def grouped_usage(
    reader: UsageReader,
    meter: MeterDefinition,
    period: Period,
    cut: Cut,
    grouping: Grouping,
    subjects: Sequence[str] | None = None,
) -> pl.DataFrame:
    """What was used of a meter in a period, by event time: one row per group with events.

    Returns columns of `UsageReader.period_usage`: subject ('' unless it groups); dimensions, a JSON
    array of the values in the order of the grouping; quantity and counts. Sorted by the first two.

    Raises `ValidationError` for a dimension that the meter does not have, `BusinessLogicError` for
    an aggregation that reads every value, `DependencyDownError` as the reader.
    """
    names = [name for name, _ in meter.dimensions]
    for name in (*grouping.dimensions, *grouping.where):
        if name not in names:
            raise ValidationError(
                f"{name}: the meter {meter.slug} has no such dimension; it has"
                f" {', '.join(names) or 'none'}",
                field=name,
            )
    if AGGREGATIONS[meter.aggregation].of_row is None:
        raise BusinessLogicError(
            f"aggregation: a {meter.aggregation} is told by subject and all dimensions only"
        )
    counted = counted_period(meter, period)
    if counted is None or (subjects is not None and not subjects):
        return pl.DataFrame(schema=ANSWER).drop("window")
    rows = reader.merged_rows(meter, counted, cut, subjects)
    regrouped = _regroup(rows, meter, grouping)
    return answer_of_rows(regrouped, meter).drop("window").sort("subject", "dimensions")


def _regroup(rows: pl.DataFrame, meter: MeterDefinition, grouping: Grouping) -> pl.DataFrame:
    """`WINDOW_ROWS` by subject and all dimensions to those of the groups that are asked for."""
    places = {name: place for place, (name, _) in enumerate(meter.dimensions)}
    known, groups = [], []
    for text in rows["dimensions"].unique().to_list():
        values = [value or "" for value in json.loads(text)] if text else []
        if all(values[places[name]] in some for name, some in grouping.where.items()):
            known.append(text)
            picked = [values[places[name]] for name in grouping.dimensions]
            groups.append(json.dumps(picked, ensure_ascii=False))
    found = pl.DataFrame(
        {"dimensions": known, "group": groups},
        schema={"dimensions": pl.String, "group": pl.String},
    )
    chosen = rows.join(found, on="dimensions", how="inner")
    chosen = chosen.with_columns(pl.col("group").alias("dimensions")).drop("group")
    if not grouping.by_subject:
        chosen = chosen.with_columns(pl.lit("").alias("subject"))
    return merge_windows(chosen, compile_all([meter]), by_dimensions=True)
