"""Usage told apart by other groups than subjects: by some dimensions, or by nothing at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

import polars as pl

from catalog.meter_definition import MeterDefinition, counted_period
from catalog.metering.aggregations import AGGREGATIONS
from core.errors import BusinessLogicError, ValidationError
from core.period import Period
from rating.prices.reading import group_text
from usage.answer import answer_of_rows
from usage.cut import Cut
from usage.gather import compile_all, merge_windows
from usage.quantities import ANSWER


class MergedRows(Protocol):
    """What is asked of `usage.reader.UsageReader`."""

    def merged_rows(
        self,
        meter: MeterDefinition,
        period: Period,
        cut: Cut,
        subjects: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """See `UsageReader.merged_rows`."""
        ...


@dataclass(frozen=True, slots=True)
class Grouping:
    """What groups are told apart by, and which events they are made of.

    `where` names dimensions and the values that count. An event without a value has the empty text.
    """

    by_subject: bool = False
    dimensions: tuple[str, ...] = ()
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)


def grouped_usage(
    reader: MergedRows,
    meter: MeterDefinition,
    period: Period,
    cut: Cut,
    grouping: Grouping,
    subjects: Sequence[str] | None = None,
) -> pl.DataFrame:
    """What was used of a meter in a period, by event time: one row per group with events.

    Returns columns of `UsageReader.period_usage`: subject ('' unless it groups); dimensions, a JSON
    array of the values in the order of the grouping, without spaces; quantity and counts. Sorted by
    the first two.

    Raises `ValidationError` for a dimension that the meter does not have, `BusinessLogicError` for
    an aggregation that reads every value, `DependencyDownError` as the reader.
    """
    check_dimensions(meter, (*grouping.dimensions, *grouping.where))
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


def united_usage(
    reader: MergedRows, meter: MeterDefinition, stretches: Mapping[Period, Sequence[str]], cut: Cut
) -> Decimal:
    """What some subjects used together, each in its own time, as if they were one.

    Raises `BusinessLogicError` for an aggregation that reads every value, `DependencyDownError`.
    """
    if AGGREGATIONS[meter.aggregation].of_row is None:
        raise BusinessLogicError(f"meter: {meter.slug} is a {meter.aggregation}, told by subject")
    parts = [
        reader.merged_rows(meter, counted, cut, subjects)
        for period, subjects in stretches.items()
        if subjects and (counted := counted_period(meter, period)) is not None
    ]
    if not parts:
        return Decimal(0)
    [quantity] = answer_of_rows(_regroup(pl.concat(parts), meter, Grouping()), meter)[
        "quantity"
    ].to_list() or [Decimal(0)]
    return Decimal(quantity)


def check_dimensions(meter: MeterDefinition, names: Sequence[str]) -> None:
    """Raise `ValidationError` for a dimension that the meter does not have."""
    known = [name for name, _ in meter.dimensions]
    for name in names:
        if name not in known:
            raise ValidationError(
                f"{name}: the meter {meter.slug} has no such dimension; it has"
                f" {', '.join(known) or 'none'}",
                field=name,
            )


def group_texts(
    rows: pl.DataFrame,
    meter: MeterDefinition,
    names: Sequence[str],
    where: Mapping[str, Sequence[str]] | None = None,
) -> pl.DataFrame:
    """`dimensions`, all of a meter's, as `rows` have them, and `group_text`, those of `names`.

    An array without spaces, as rating has it. Dimensions that `where` leaves out are not there.
    """
    places = {name: place for place, (name, _) in enumerate(meter.dimensions)}
    known, groups = [], []
    for text in rows["dimensions"].unique().to_list():
        values = [value or "" for value in json.loads(text)] if text else [""] * len(places)
        if all(values[places[name]] in some for name, some in (where or {}).items()):
            known.append(text)
            groups.append(group_text([values[places[name]] for name in names]))
    schema = {"dimensions": pl.String, "group_text": pl.String}
    return pl.DataFrame({"dimensions": known, "group_text": groups}, schema=schema)


def _regroup(rows: pl.DataFrame, meter: MeterDefinition, grouping: Grouping) -> pl.DataFrame:
    """`WINDOW_ROWS` by subject and all dimensions to those of the groups that are asked for."""
    found = group_texts(rows, meter, grouping.dimensions, grouping.where)
    chosen = rows.join(found, on="dimensions", how="inner")
    chosen = chosen.with_columns(pl.col("group_text").alias("dimensions")).drop("group_text")
    if not grouping.by_subject:
        chosen = chosen.with_columns(pl.lit("").alias("subject"))
    return merge_windows(chosen, compile_all([meter]), by_dimensions=True)
