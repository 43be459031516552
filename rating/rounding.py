"""From exact amounts to minor units: the only place where an amount is rounded.

| mode | 0.5 | 1.5 | -0.5 | 0.2 |
|---|---|---|---|---|
| `half_away_from_zero` (default) | 1 | 2 | -1 | 0 |
| `half_even` | 0 | 2 | 0 | 0 |
| `up` (away from zero) | 1 | 2 | -1 | 1 |
| `down` (toward zero) | 0 | 1 | 0 | 0 |

Every mode is symmetric: a credit mirrors what it takes back. The mode belongs to the price.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from math import lcm
from typing import Final, Literal, get_args

import polars as pl

from core.money import MINOR_LIMIT
from rating.errors import AmountTooLargeError, PriceParameterError
from rating.exact import LIMB, Exact, int128, with_number

RoundingMode = Literal["half_away_from_zero", "half_even", "up", "down"]
ROUNDING_MODES: Final[tuple[RoundingMode, ...]] = get_args(RoundingMode)
DEFAULT_ROUNDING_MODE: Final[RoundingMode] = "half_away_from_zero"

_MINOR_FACTORS: Final = pl.Series([10**digits for digits in range(13)], dtype=pl.Int128)
"""Minor units in one, by minor digits: of currencies 0, 2, 3 or 4, of price units 0 to 12."""


def parse_rounding_mode(text: str) -> RoundingMode:
    """The mode that `text` names. Raises `PriceParameterError` listing the four modes."""
    for mode in ROUNDING_MODES:
        if mode == text:
            return mode
    raise PriceParameterError("rounding_mode", f"use one of {', '.join(ROUNDING_MODES)}")


def rounds_away(
    mode: pl.Expr, *, over: pl.Expr, even: pl.Expr, odd: pl.Expr, inexact: pl.Expr
) -> pl.Expr:
    """Whether what was cut off toward zero is rounded away from it, by a `RoundingMode` per row.

    What was cut off is `over` a half, or `even` with it, or just there (`inexact`, for `up`); `odd`
    says it of what is left.
    """
    return (
        ((mode == "half_away_from_zero") & (over | even))
        | ((mode == "half_even") & (over | (even & odd)))
        | ((mode == "up") & inexact)
    )


def minor_factor(digits: str = "minor_digits") -> pl.Expr:
    """Minor units in one currency unit, Int128, by a column of digits."""
    return pl.lit(_MINOR_FACTORS).gather(pl.col(digits))


def with_minor(
    frame: pl.LazyFrame,
    amount: Exact,
    denominator: pl.Expr | None = None,
    name: str = "amount_minor",
) -> pl.LazyFrame:
    """Add the column `name`, the rounded amount in minor units: Int128, not yet checked.

    `amount` is a numerator below 10^33 where there is a `denominator` (Int128, above zero, below
    10^33): a proration or an average is divided here, and nowhere before. Reads the columns
    `minor_digits` (0 to 12) and `rounding_mode` (a `RoundingMode`).
    """
    sign = pl.when(amount.negative).then(int128(-1)).otherwise(int128(1))
    frame = frame.with_columns(_sign=sign if amount.signed else int128(1))
    frame = frame.with_columns(_scale=pl.col("_sign") * minor_factor())
    parts = len(amount.limbs) - 1
    frame = with_number(frame, "_scaled", [limb * pl.col("_scale") for limb in amount.limbs])
    whole, first, *rest = Exact.named("_scaled", parts).widened(1).limbs
    twice = first * int128(2)
    sticky = (twice % int128(LIMB)) > 0
    for limb in rest:
        sticky |= limb > 0
    left, divisor = int128(0), int128(1)
    if denominator is not None:
        frame = frame.with_columns(_divisor=denominator)
        divisor = pl.col("_divisor")
        whole, left = whole // divisor, whole % divisor
    frame = frame.with_columns(
        _below=whole, _left=left, _carry=twice // int128(LIMB), _sticky=sticky
    )
    # What is left, twice, beside the divisor: below, at or above a half.
    half = pl.col("_left") * int128(2) + pl.col("_carry") - divisor
    inexact = (pl.col("_left") > 0) | (pl.col("_carry") > 0) | pl.col("_sticky")
    if denominator is None:
        half = pl.col("_carry") - divisor
        inexact = (pl.col("_carry") > 0) | pl.col("_sticky")
    over = (half > 0) | ((half == 0) & pl.col("_sticky"))
    even = (half == 0) & ~pl.col("_sticky")
    odd = pl.col("_below") % int128(2) == 1
    away = rounds_away(pl.col("rounding_mode"), over=over, even=even, odd=odd, inexact=inexact)
    minor = (pl.col("_below") + away.cast(pl.Int128)) * pl.col("_sign")
    spent = ["_scale", "_sign", "_divisor", "_below", "_left", "_carry", "_sticky"]
    return frame.with_columns(minor.alias(name)).drop(
        *spent, *[f"_scaled_{index}" for index in range(parts + 1)], strict=False
    )


def check_minor(rated: pl.DataFrame) -> None:
    """Raise `AmountTooLargeError` when an `amount_minor` (Int128) reaches 10^18.

    Reads the columns `line_id` and `amount_minor`.
    """
    limit = pl.lit(MINOR_LIMIT, dtype=pl.Int128)
    over = rated.filter(pl.col("amount_minor").abs() >= limit)
    if over.height:
        raise AmountTooLargeError(over["line_id"].to_list())


def split_minor(total_minor: int, weights: Sequence[int | Decimal]) -> list[int]:
    """Split a total by weight so that the parts sum to it: largest remainder, ties to the first.

    Weights are not negative and not all zero. A negative total gives the mirror of the positive.
    """
    if not weights or min(weights) < 0 or sum(weights) == 0:
        raise ValueError("weights: give at least one, none negative, not all zero")
    ratios = [Decimal(weight).as_integer_ratio() for weight in weights]
    shared = lcm(*(denominator for _, denominator in ratios))
    scaled = [numerator * (shared // denominator) for numerator, denominator in ratios]
    whole = sum(scaled)
    size = abs(total_minor)
    parts = [size * share // whole for share in scaled]
    by_remainder = sorted(
        range(len(scaled)), key=lambda index: (-(size * scaled[index] % whole), index)
    )
    for index in by_remainder[: size - sum(parts)]:
        parts[index] += 1
    return parts if total_minor >= 0 else [-part for part in parts]


def round_ratio(value: Fraction, mode: RoundingMode = DEFAULT_ROUNDING_MODE) -> int:
    """An exact value to a whole number, by the mode: the scalar twin of `with_minor`."""
    below, rest = divmod(abs(value), 1)
    half = Fraction(1, 2)
    away = (
        (mode == "half_away_from_zero" and rest >= half)
        or (mode == "half_even" and (rest > half or (rest == half and below % 2 == 1)))
        or (mode == "up" and rest > 0)
    )
    rounded = below + away
    return rounded if value >= 0 else -rounded
