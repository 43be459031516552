"""percentile: by nearest rank, one of the values that were sent."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import polars as pl

from catalog.metering.aggregations.base import ONE, Aggregation, decimal_text
from core.period import Period

_PERCENT = 100


def _of_values(
    values: pl.DataFrame,
    carried: pl.DataFrame,  # noqa: ARG001 - a percentile looks at its period alone
    by: Sequence[str],
    period: Period,  # noqa: ARG001 - the values are those of the period
    parameter: str,
) -> pl.DataFrame:
    share = Fraction(Decimal(parameter)) / _PERCENT
    many = pl.len().cast(pl.Int128)
    top, bottom = (pl.lit(part, pl.Int128) for part in (share.numerator, share.denominator))
    place = ((many * top + bottom - 1) // bottom - 1).cast(pl.Int64)
    found = values.group_by(by).agg(pl.col("value").sort().gather(place).first())
    return found.select(
        *by, decimal_text(pl.col("value")).alias("numerator"), ONE.alias("denominator")
    )


PERCENTILE = Aggregation(
    name="percentile",
    reads="number",
    of_values=_of_values,
    parameter="percentile",
)
"""Of n values in order, the one at place ceil(p / 100 * n), counted from 1; no interpolation, so it
is a value that was sent: p = 50 of 1, 2, 3, 4 is 2. No events: no row. It reads events."""
