"""Which share of its period a line is for: read from the lines, carried to the rounding.

The amounts of a line are numerators over its denominator, from the step `share` on: fixed amounts
are multiplied by the numerator, others by the denominator, and nothing is divided. Of an agreed
quantity every amount is fixed.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from rating.errors import RatingInputError
from rating.frames import AGREED, CHOSEN_FROM, INSTANT_DTYPE, SHARE, SHARE_LIMIT

NUMERATOR: Final = pl.col("share_numerator").cast(pl.Int128)
DENOMINATOR: Final = pl.col("share_denominator").cast(pl.Int128)
IS_PART: Final = NUMERATOR != DENOMINATOR


def split_shares(lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Lines without their shares, and their shares, 1/1 where a line is for all of its period.

    Beside the shares whether the quantity is `AGREED`. Raises `RatingInputError` for a share that
    is none.
    """
    agreed = pl.repeat(False, lines.height, dtype=pl.Boolean, eager=True).alias(AGREED)
    if AGREED in lines.columns:
        agreed = lines[AGREED]
        if agreed.dtype != pl.Boolean or agreed.null_count():
            raise RatingInputError(f"lines: {AGREED} needs Booleans without nulls")
        lines = lines.drop(AGREED)
    plain, shares = _split(lines)
    return plain, shares.with_columns(agreed)


def split_choice(lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Lines without `CHOSEN_FROM`, and what it says, or the start of the period.

    Raises `RatingInputError` for a column that holds something else.
    """
    if CHOSEN_FROM not in lines.columns:
        start = lines.get_column("period_start", default=None)
        return lines, (pl.Series(CHOSEN_FROM, []) if start is None else start.alias(CHOSEN_FROM))
    chosen = lines[CHOSEN_FROM]
    if chosen.dtype != INSTANT_DTYPE or chosen.null_count():
        raise RatingInputError(f"lines: {CHOSEN_FROM} needs instants without nulls")
    return lines.drop(CHOSEN_FROM), chosen


def _split(lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
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
