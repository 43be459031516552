"""The exact product of two decimals, column by column, for every legal factor.

`Decimal(38,12) x Decimal(38,12)` has 24 decimals and up to 65 digits. Polars would keep 12 decimals
and round the rest away in silence, so both factors are cut at the point and the four partial
products are taken apart, each in a type that holds it:

    whole x whole         Int128; the larger factor is clipped first, see `_CLIP`
    whole x fraction      Decimal(38,12): below 10^26, 12 decimals
    fraction x whole      Decimal(38,12)
    fraction x fraction   Decimal(38,24): below 1, 24 decimals
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from rating.frames import FRACTION_DTYPE

_CLIP: Final = 10**18
"""Both whole parts are clipped here before they are multiplied: a clipped product stays ≥ 10^18,
so the check for amounts that are too large still sees it, and 10^36 never wraps an Int128."""


@dataclass(frozen=True, slots=True)
class ExactAmount:
    """An amount in currency units as two expressions of one sign: `whole` + `fraction`.

    `whole` is Int128 (clipped values stay at 10^18 or more), `fraction` Decimal(38,24) within ±1.
    """

    whole: pl.Expr
    fraction: pl.Expr


def exact_product(left: pl.Expr, right: pl.Expr) -> ExactAmount:
    """Left x right, both Decimal(38,12), without any rounding; null where one factor is null."""
    left_abs, right_abs = left.abs(), right.abs()
    left_whole, right_whole = left_abs.floor(), right_abs.floor()
    left_part, right_part = left_abs - left_whole, right_abs - right_whole

    crossed = (left_whole * right_part, left_part * right_whole)
    crossed_whole = [product.floor() for product in crossed]
    crossed_part = [
        (product - whole).cast(FRACTION_DTYPE)
        for product, whole in zip(crossed, crossed_whole, strict=True)
    ]
    parts = left_part.cast(FRACTION_DTYPE) * right_part.cast(FRACTION_DTYPE)
    fraction = crossed_part[0] + crossed_part[1] + parts  # below 3
    carried = fraction.floor()

    whole = _clipped(left_whole) * _clipped(right_whole)
    for addend in (*crossed_whole, carried):
        whole += addend.cast(pl.Int128)
    negative = (left < 0) != (right < 0)
    return ExactAmount(
        whole=_signed(negative, whole),
        fraction=_signed(negative, fraction - carried),
    )


def exact_whole(amount: pl.Expr) -> ExactAmount:
    """An amount that is given, Decimal(38,12) in currency units, in the two limbs of a product."""
    whole = amount.abs().floor()
    return ExactAmount(
        whole=_signed(amount < 0, whole.cast(pl.Int128)),
        fraction=_signed(amount < 0, (amount.abs() - whole).cast(FRACTION_DTYPE)),
    )


def _clipped(whole: pl.Expr) -> pl.Expr:
    wide = whole.cast(pl.Int128)
    limit = pl.lit(_CLIP, dtype=pl.Int128)
    return pl.when(wide > limit).then(limit).otherwise(wide)


def _signed(negative: pl.Expr, magnitude: pl.Expr) -> pl.Expr:
    return pl.when(negative).then(0 - magnitude).otherwise(magnitude)
