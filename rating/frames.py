"""Column names and dtypes of every frame that crosses this package.

| frame | one row is | schema |
|---|---|---|
| lines | a price to apply to a subscription and period | `LINES` |
| usage | what a subscription used of a meter in a period | `USAGE` |
| rated | a line with its exact amount and its rounded one | `RATED` |

An exact amount is two limbs of one sign, toward zero: `amount_whole` + `amount_fraction`, in units
of the currency. One Decimal(38) could not hold it: legal amounts reach 18 digits before the point
and 24 after it.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from rating.errors import RatingInputError

QUANTITY_DTYPE: Final = pl.Decimal(38, 12)
"""Quantities and unit prices: 26 digits before the point, 12 after it."""

FRACTION_DTYPE: Final = pl.Decimal(38, 24)
"""The part of an exact amount after the point: a product of two factors of 12 decimals."""

INSTANT_DTYPE: Final = pl.Datetime("us", "UTC")

PERIOD_KEY: Final = ("subscription_id", "period_start")
"""What one billing period of one subscription is known by."""

LINE_KEY: Final = (*PERIOD_KEY, "line_key")
"""What a line is known by, today and when the same period is rated again."""

LINES: Final = pl.Schema(
    {
        "subscription_id": pl.String(),
        "period_start": INSTANT_DTYPE,
        "line_key": pl.String(),  # stable name of the rate card within its plan
        "meter_id": pl.String(),  # null where the price has no meter
        "price_id": pl.String(),
    }
)
USAGE: Final = pl.Schema(
    {
        "subscription_id": pl.String(),
        "period_start": INSTANT_DTYPE,
        "meter_id": pl.String(),
        "quantity": QUANTITY_DTYPE,
        "event_count": pl.Int64(),
        "unmeterable_count": pl.Int64(),
    }
)
RATED: Final = pl.Schema(
    {
        **LINES,
        "line_id": pl.String(),  # `LINE_KEY` as one text
        "model": pl.String(),
        "quantity": QUANTITY_DTYPE,
        "unit_amount": QUANTITY_DTYPE,  # currency units per unit of quantity
        "event_count": pl.Int64(),
        "unmeterable_count": pl.Int64(),
        "amount_whole": pl.Int64(),  # currency units, toward zero
        "amount_fraction": FRACTION_DTYPE,  # what is left of one currency unit, same sign
        "amount_minor": pl.Int64(),
        "currency": pl.String(),
        "price_hash": pl.String(),
        "rounding_mode": pl.String(),
        "rule_version": pl.Int32(),
    }
)


def check_frame(name: str, frame: pl.DataFrame, schema: pl.Schema, key: tuple[str, ...]) -> None:
    """Raise `RatingInputError` unless `frame` has exactly `schema` and one row per `key`."""
    if frame.schema != schema:
        raise RatingInputError(f"{name}: expected the columns {schema}, got {frame.schema}")
    holes = frame.select(pl.any_horizontal(pl.col(*key).is_null()).any()).item()
    if holes or frame.select(pl.struct(*key).is_duplicated().any()).item():
        raise RatingInputError(f"{name}: {', '.join(key)} must be present and name one row only")
