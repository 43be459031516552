"""What a step did to each line, as rows of the derivation: read from the columns it computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from rating.exact import LIMB, Exact, decimal_of, int128
from rating.frames import DERIVATION, FRACTION_DTYPE, REST_DTYPE
from rating.rounding import minor_factor
from rating.share import DENOMINATOR

TOLD: Final = pl.Schema(
    {
        "line": pl.UInt32(),
        **{name: dtype for name, dtype in DERIVATION.items() if name not in {"line_id", "step"}},
    }
)
"""`frames.DERIVATION` before its rows are numbered."""


def as_told(rows: pl.LazyFrame) -> pl.DataFrame:
    """Rows as `TOLD`; what they do not say is empty."""
    missing = {
        "group": pl.lit(""),
        "tier": pl.lit(0, dtype=pl.UInt32),
        "amount_whole": pl.lit(0, dtype=pl.Int64),
        "amount_fraction": int128(0).reinterpret(dtype=FRACTION_DTYPE),
        "amount_rest": int128(0).reinterpret(dtype=REST_DTYPE),
        "amount_remainder": pl.lit(0, dtype=pl.Int64),
    }
    said = rows.collect_schema()
    others = [
        missing.get(name, pl.lit(None, dtype=dtype)).alias(name)
        for name, dtype in TOLD.items()
        if name not in said
    ]
    return rows.with_columns(others).select(TOLD.names()).collect().match_to_schema(TOLD)


def told_units(
    rows: pl.LazyFrame, name: str, value: pl.Expr, units: str, quantity: str
) -> pl.DataFrame:
    """What became of the units of each row whose price says `value`: two columns of 10^-12."""
    told = rows.select(
        "line",
        "group",
        pl.lit(name).alias("name"),
        decimal_of(value).alias("value"),
        decimal_of(pl.col(units)).alias("units"),
        decimal_of(pl.col(quantity)).alias("quantity"),
    )
    return as_told(told.drop_nulls("value").sort("line", "group"))


def told_taken(lines: pl.LazyFrame, name: str, value: pl.Expr, taken: Exact) -> pl.DataFrame:
    """What was taken off each line whose price says `value` (units of 10^-12, else null)."""
    rows = lines.select(
        "line",
        pl.lit(name).alias("name"),
        decimal_of(value).alias("value"),
        *amount_columns(taken, sign=-1, denominator=DENOMINATOR),
    )
    return as_told(rows.drop_nulls("value"))


def amount_columns(
    amount: Exact, sign: int = 1, denominator: pl.Expr | None = None
) -> list[pl.Expr]:
    """An amount of up to three parts, below 10^18, as `frames` has it: toward zero, of one sign.

    With a `denominator` it is a numerator; with the sign -1, its negative.
    """
    whole, first, second, third = amount.widened(3).limbs
    remainder = int128(0)
    if denominator is not None:
        whole, first, second, third, remainder = _divided(amount, denominator)
    fraction = first * int128(LIMB) + second
    if amount.signed:
        # Limbs are a floor: below zero each one lends to the next that is not empty.
        if denominator is not None:
            lends = _number(amount.negative & (remainder > 0))
            remainder, third = remainder - lends * denominator, third + lends
        lends = _number(amount.negative & (third > 0))
        third, fraction = third - lends * int128(LIMB), fraction + lends
        lends = _number(amount.negative & (fraction > 0))
        fraction, whole = fraction - lends * int128(LIMB * LIMB), whole + lends
    factor = int128(sign)
    return [
        (whole * factor).cast(pl.Int64).alias("amount_whole"),
        (fraction * factor).reinterpret(dtype=FRACTION_DTYPE).alias("amount_fraction"),
        (third * factor).reinterpret(dtype=REST_DTYPE).alias("amount_rest"),
        (remainder * factor).cast(pl.Int64).alias("amount_remainder"),
    ]


def _divided(amount: Exact, denominator: pl.Expr) -> list[pl.Expr]:
    """Whole, three parts, and what is left of the last one: a long division."""
    limbs, left = [], int128(0)
    for limb in amount.widened(3).limbs:
        carried = left * int128(LIMB) + limb
        limbs.append(carried // denominator)
        left = carried % denominator
    return [*limbs, left]


def _number(condition: pl.Expr) -> pl.Expr:
    return condition.cast(pl.Int128)


def told_minor(name: str) -> list[pl.Expr]:
    """A column of minor units as the amount columns of a derivation; reads `minor_digits`."""
    minor, factor = pl.col(name).cast(pl.Int128), minor_factor()
    return amount_columns(Exact((minor // factor, minor % factor * (int128(LIMB) // factor))))


def as_derivation(told: Sequence[pl.DataFrame], line_ids: pl.Series) -> pl.DataFrame:
    """Parts of `TOLD`, whose `line` is a row of `line_ids`, as `frames.DERIVATION`."""
    step = pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).over("line")
    steps = pl.concat([pl.DataFrame(schema=TOLD), *told]).sort("line", maintain_order=True)
    return (
        steps.with_columns(line_id=pl.lit(line_ids).gather(pl.col("line")), step=step)
        .select(DERIVATION.names())
        .match_to_schema(DERIVATION)
    )
