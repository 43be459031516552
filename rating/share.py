"""Which share of its period a line is for: read from the lines, carried to the rounding.

The amounts of a line are numerators over its denominator, from the step `share` on: fixed amounts
are multiplied by the numerator, others by the denominator, and nothing is divided.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from rating.errors import RatingInputError
from rating.frames import SHARE, SHARE_LIMIT

NUMERATOR: Final = pl.col("share_numerator").cast(pl.Int128)
DENOMINATOR: Final = pl.col("share_denominator").cast(pl.Int128)
IS_PART: Final = NUMERATOR != DENOMINATOR


def split_shares(lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Lines without their shares, and their shares, 1/1 where a line is for all of its period.

    Raises `RatingInputError` for a share that is none.
    """
    carried = [name for name in SHARE if name in lines.columns]
    if not carried:
        one = pl.repeat(1, lines.height, dtype=pl.Int64)
        return lines, pl.select(one.alias(name) for name in SHARE)
    shares = lines.select(carried)
    if shares.schema != SHARE or shares.null_count().sum_horizontal().item():
        raise RatingInputError(f"lines: a share needs {SHARE} without nulls, got {shares.schema}")
    numerator, denominator = (pl.col(name) for name in SHARE)
    legal = (numerator >= 0) & (numerator <= denominator) & (denominator > 0)
    legal &= denominator < SHARE_LIMIT
    wrong = shares.filter(~legal)
    if wrong.height:
        raise RatingInputError(
            f"lines: {wrong.row(0)} is no share; give 0 to 1, of fewer than 10^15 parts"
        )
    whole = numerator == denominator
    ones = [
        pl.when(whole).then(pl.lit(1, pl.Int64)).otherwise(each).alias(each.meta.output_name())
        for each in (numerator, denominator)
    ]
    return lines.drop(carried), shares.select(ones).match_to_schema(SHARE)
