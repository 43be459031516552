"""Sums of quantities by group that are exact or refused.

Polars' grouped sum of Decimal(38) wraps to a wrong number without an error, so whole and fractional
parts are summed apart: 10^12 rows of whole parts below 10^26 stay within an Int128, and fractions
below 1 stay within Decimal(38,12).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from rating.errors import QuantityTooLargeError
from rating.exact import LIMB, UNITS_LIMIT, Exact, decimal_of, int128
from rating.frames import QUANTITY_DTYPE

WHOLE_LIMIT: Final = 10**26 - 1
"""Sums of a larger whole part are refused: Decimal(38,12) has 26 digits before the point."""


def sum_quantities(
    frame: pl.DataFrame, by: Sequence[str], quantity: str, counts: Sequence[str] = ()
) -> pl.DataFrame:
    """One row per group: the exact sum of `quantity`, Decimal(38,12), and of Int64 `counts`.

    Columns: `by`, `quantity`, `counts`; groups in the order of their first row.
    Raises `QuantityTooLargeError` naming the groups whose sum needs more than 26 digits before the
    point.
    """
    value = pl.col(quantity)
    whole = value.truncate()
    sums = frame.group_by(*by, maintain_order=True).agg(
        whole.cast(pl.Int128).sum().alias("_whole"),
        (value - whole).sum().alias("_part"),
        *(pl.col(name).sum() for name in counts),
    )
    carried = pl.col("_part").truncate()
    sums = sums.with_columns(
        pl.col("_whole") + carried.cast(pl.Int128), (pl.col("_part") - carried).alias("_part")
    )
    over = sums.filter(pl.col("_whole").abs() > pl.lit(WHOLE_LIMIT, dtype=pl.Int128))
    if over.height:
        raise QuantityTooLargeError([str(row) for row in over.select(*by).rows()])
    total = pl.col("_whole").cast(pl.Decimal(38, 0)).cast(QUANTITY_DTYPE) + pl.col("_part")
    return sums.select(*by, total.alias(quantity), *counts)


def has_lines_of_many_rows(rows: pl.DataFrame) -> bool:
    """Whether a `line` has several rows, which then stand together.

    Most prices have one row per line, and sums over groups cost as much as all the rest.
    """
    return bool((rows["line"].diff() == 0).any())


def unit_limbs() -> list[pl.Expr]:
    """The column `units`, Int128 of 10^-12, as the limbs `units_0` and `units_1`, for a `total`."""
    limbs = Exact.of_units(pl.col("units")).limbs
    return [limb.alias(f"units_{at}") for at, limb in enumerate(limbs)]


def with_quantity(lines: pl.DataFrame, name: str) -> pl.DataFrame:
    """Add `name`, Decimal(38,12), from the number `units`.

    Raises `QuantityTooLargeError` naming the `line_id` of those that reach 10^26.
    """
    limit = int128(UNITS_LIMIT // LIMB)
    whole = pl.col("units_0")
    over = (whole >= limit) | (whole < -limit) | ((whole == -limit) & (pl.col("units_1") == 0))
    if lines.select(over.any()).item():
        raise QuantityTooLargeError(lines.filter(over)["line_id"].to_list())
    units = whole * int128(LIMB) + pl.col("units_1")
    return lines.with_columns(decimal_of(units).alias(name))
