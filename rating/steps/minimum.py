"""Minimum: a true-up that brings the rounded line up to it, as a component of its own.

`minimum` = "100": a line of 80.005 is rounded to 80.01, its true-up is 19.99. The two stay apart:
late usage lowers the true-up by what it raises the line, and no discount reaches the true-up.
The minimum itself is rounded by the price's mode. Zero usage is trued up, too; a negative quantity
is not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import polars as pl

from core.money import MINOR_LIMIT
from rating.errors import AmountTooLargeError
from rating.exact import Exact, decimal_of, int128
from rating.rounding import with_minor
from rating.share import DENOMINATOR, NUMERATOR
from rating.told import as_told, told_minor
from rating.work import Work

NAME: Final = "minimum"


def run(work: Work) -> Work:
    """Fill `true_up_minor` of each line. Raises `AmountTooLargeError` naming the lines."""
    if not work.book.says(NAME):
        return replace(work, lines=work.lines.with_columns(true_up_minor=pl.lit(0, pl.Int64)))
    least, said = _least(work), work.book.around_of(NAME).is_not_null()
    lacking = least - pl.col("amount_minor").cast(pl.Int128)
    owed = said & (pl.col("used_quantity") >= 0) & (lacking > 0)
    true_up = pl.when(owed).then(lacking).otherwise(int128(0))
    found = work.lines.select(true_up.alias("true_up_minor"), least.alias("minimum_minor"))
    reached = pl.max_horizontal("true_up_minor", "minimum_minor") >= int128(MINOR_LIMIT)
    over = found.select((pl.col("true_up_minor") > 0) & reached).to_series()
    if over.any():
        raise AmountTooLargeError(work.lines.filter(over)["line_id"].to_list())
    return replace(work, lines=work.lines.with_columns(found["true_up_minor"].cast(pl.Int64)))


def _least(work: Work) -> pl.Expr:
    """The minimum of each line in minor units: rounded once for each price, or for each share."""
    least = Exact.of_units(pl.col(NAME).fill_null(int128(0)))
    if not work.shared:
        prices = work.book.around.select(NAME).hstack(work.book.prices)
        rounded = with_minor(prices.lazy(), replace(least, signed=False), name="least").collect()
        return pl.lit(rounded["least"]).gather(pl.col("priced"))
    lines = work.lines.with_columns(work.book.around_of(NAME).alias(NAME))
    shared = Exact(tuple(limb * NUMERATOR for limb in least.limbs), signed=False)
    each = with_minor(lines.lazy(), shared, DENOMINATOR, "least").select("least")
    return pl.lit(each.collect(engine="streaming").to_series())


def tell(work: Work) -> pl.DataFrame | None:
    """`value`: the minimum; the amount is the true-up, rounded as it is."""
    if not work.book.says(NAME):
        return None
    rows = work.lines.lazy().select(
        "line",
        pl.lit(NAME).alias("name"),
        decimal_of(work.book.around_of(NAME)).alias("value"),
        *told_minor("true_up_minor"),
    )
    return as_told(rows.drop_nulls("value"))
