"""weighted_sum: a level over the time that it is held."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import polars as pl

from catalog.metering.aggregations.base import Aggregation
from core.period import Period

MICROS: Final = {"second": 10**6, "hour": 3600 * 10**6, "day": 24 * 3600 * 10**6}
"""Microseconds in each unit that `per` names."""

_SPLIT: Final = 10**14
_SCALE: Final = 12


def _of_values(
    values: pl.DataFrame,
    carried: pl.DataFrame,
    by: Sequence[str],
    period: Period,
    parameter: str,
) -> pl.DataFrame:
    instant = pl.Datetime("us", "UTC")
    held = carried.select(
        *by, "value", _at(period.start, instant).alias("time"), pl.lit("").alias("position")
    )
    points = pl.concat([held, values.select(held.columns)]).sort("time", "position")
    until = pl.col("time").shift(-1).over(by).fill_null(_at(period.end, instant))
    micros = (until - pl.col("time")).dt.total_microseconds().cast(pl.Int128)
    # A value in two pieces, so that no product and no sum needs more than 38 digits.
    scaled = pl.col("value").to_physical().cast(pl.Int128)
    above = scaled // pl.lit(_SPLIT, pl.Int128)
    below = scaled - above * pl.lit(_SPLIT, pl.Int128)
    areas = points.with_columns(above=above * micros, below=below * micros)
    areas = areas.group_by(by).agg(pl.col("above", "below").sum())
    numerators = [
        _text(high * _SPLIT + low)
        for high, low in zip(areas["above"].to_list(), areas["below"].to_list(), strict=True)
    ]
    return areas.select(by).with_columns(
        pl.Series("numerator", numerators, pl.String),
        denominator=pl.lit(str(MICROS[parameter])),
    )


def _at(at: datetime, dtype: pl.DataType) -> pl.Expr:
    return pl.lit(at).cast(dtype)


def _text(scaled: int) -> str:
    """An integer times 10^-12 as the shortest decimal text."""
    digits = f"{abs(scaled):0{_SCALE + 1}d}"
    text = f"{digits[:-_SCALE]}.{digits[-_SCALE:]}".rstrip("0").rstrip(".")
    return f"-{text}" if scaled < 0 else text


WEIGHTED_SUM = Aggregation(
    name="weighted_sum",
    reads="number",
    columns=frozenset({"latest"}),
    of_values=_of_values,
    parameter="per",
)
"""Each value is a level that holds until the next event, by event time, then by log position; the
latest level before a period is carried into it, before the first one it is 0. The quantity is the
sum of level times microseconds over the microseconds of `per`. Neither events nor a carried level:
no row. It reads the events of the period; what is carried is the `latest` of all time before."""
