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
from math import lcm
from typing import Final, Literal, get_args

import polars as pl

from core.money import MINOR_LIMIT
from rating.errors import AmountTooLargeError, PriceParameterError
from rating.exact import ExactAmount
from rating.frames import FRACTION_DTYPE

RoundingMode = Literal["half_away_from_zero", "half_even", "up", "down"]
ROUNDING_MODES: Final[tuple[RoundingMode, ...]] = get_args(RoundingMode)
DEFAULT_ROUNDING_MODE: Final[RoundingMode] = "half_away_from_zero"

_MINOR_FACTORS: Final = {digits: 10**digits for digits in (0, 2, 3, 4)}
"""ISO 4217 minor digits -> minor units in one currency unit."""


def parse_rounding_mode(text: str) -> RoundingMode:
    """The mode that `text` names. Raises `PriceParameterError` listing the four modes."""
    for mode in ROUNDING_MODES:
        if mode == text:
            return mode
    raise PriceParameterError("rounding_mode", f"use one of {', '.join(ROUNDING_MODES)}")


def to_minor(amount: ExactAmount, minor_digits: pl.Expr, mode: pl.Expr) -> pl.Expr:
    """The rounded amount in minor units, Int128: not yet checked against the limit.

    `minor_digits` is 0, 2, 3 or 4 per row, `mode` a `RoundingMode` per row.
    """
    factor = minor_digits.replace_strict(_MINOR_FACTORS, return_dtype=pl.Int128)
    scaled = amount.fraction.abs() * factor.cast(pl.Decimal(38, 0)).cast(FRACTION_DTYPE)
    below = scaled.floor()
    rest = scaled - below
    magnitude = amount.whole.abs() * factor + below.cast(pl.Int128)
    half = pl.lit(Decimal("0.5"), dtype=FRACTION_DTYPE)
    away = (
        ((mode == "half_away_from_zero") & (rest >= half))
        | ((mode == "half_even") & ((rest > half) | ((rest == half) & (magnitude % 2 == 1))))
        | ((mode == "up") & (rest > 0))
    )
    negative = (amount.whole < 0) | (amount.fraction < 0)
    rounded = magnitude + away.cast(pl.Int128)
    return pl.when(negative).then(0 - rounded).otherwise(rounded)


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
