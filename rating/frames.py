"""Column names and dtypes of every frame that crosses this package.

| frame | one row is | schema |
|---|---|---|
| lines | a price to apply to a subscription and period | `LINES` |
| usage | what a subscription used of a meter in a period | `USAGE` |
| grouped usage | the same, apart by dimensions | `GROUPED_USAGE` |
| events | one event of a meter, for prices that read single events | `EVENTS` |
| grouped events | the same, apart by dimensions | `GROUPED_EVENTS` |
| rated | a line with its exact amount and its rounded one | `RATED` |
| derivation | one step on the way to a line's exact amount and its true-up | `DERIVATION` |

An exact amount is three limbs of one sign, toward zero, in units of the currency:
`amount_whole` + `amount_fraction` + `amount_rest`. One Decimal(38) could not hold it: legal amounts
reach 18 digits before the point, 24 after it, and 36 where a percentage was taken off. A share of a
period adds `amount_remainder`, over 10^36 times the denominator of the share.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from rating.errors import RatingInputError

QUANTITY_DTYPE: Final = pl.Decimal(38, 12)
"""Quantities and unit prices: 26 digits before the point, 12 after it."""

FRACTION_DTYPE: Final = pl.Decimal(38, 24)
"""The part of an exact amount after the point: a product of two factors of 12 decimals."""

REST_DTYPE: Final = pl.Decimal(38, 36)
"""What is left of 10^-24 where a percentage of 12 decimals was taken off."""

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
SHARE: Final = pl.Schema({"share_numerator": pl.Int64(), "share_denominator": pl.Int64()})
"""Lines may carry these two: which share of its period a line is for, else all of it."""

CHOSEN_FROM: Final = "chosen_from"
"""Lines may carry this instant: a percentage of lines is of those of its subscription that carry
the same one; without it, of those of its period."""

AGREED: Final = "agreed"
"""Beside `SHARE`, a Boolean: the quantity was agreed, not used, and is for the whole period. Then
the share is taken of all that the model makes of it, and not of its fixed amounts alone; its units
stand in the usage, as those of any line."""

SHARE_LIMIT: Final = 10**15
"""Denominators stay below: ten years have 3.2 x 10^14 microseconds."""

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
GROUPED_USAGE: Final = pl.Schema(
    {
        **USAGE,
        # JSON arrays without spaces, of the names in order and of their values in that order:
        # '["region"]' and '["eu"]'. Both are '' for usage that is one quantity.
        "group_by": pl.String(),
        "group": pl.String(),
    }
)
"""A meter that two prices tell apart in two ways has the rows of both."""

EVENTS: Final = pl.Schema(
    {
        "subscription_id": pl.String(),
        "period_start": INSTANT_DTYPE,
        "meter_id": pl.String(),
        "time": INSTANT_DTYPE,
        "event_id": pl.String(),  # decides between events of one time
        "value": QUANTITY_DTYPE,  # null where it is unmeterable: counted, not priced
        "amount": QUANTITY_DTYPE,  # currency units that the event itself says; null where none
        "zone": pl.String(),  # of the customer, for prices by local time; null: UTC
    }
)
"""Values and amounts below 10^15 of either sign; in any order."""

GROUPED_EVENTS: Final = pl.Schema(
    {**EVENTS, "group_by": pl.String(), "group": pl.String()}  # as in `GROUPED_USAGE`
)
RATED: Final = pl.Schema(
    {
        **LINES,
        **SHARE,
        AGREED: pl.Boolean(),
        "line_id": pl.String(),  # `LINE_KEY` as one text
        "model": pl.String(),
        "used_quantity": QUANTITY_DTYPE,  # before conversion and free units
        "quantity": QUANTITY_DTYPE,  # what the model priced
        # Currency units per unit of quantity; null where the amount is not their product: tiers,
        # packages, flat parts, groups, discounts, a maximum.
        "unit_amount": QUANTITY_DTYPE,
        "event_count": pl.Int64(),
        "unmeterable_count": pl.Int64(),
        "amount_whole": pl.Int64(),  # currency units, toward zero
        "amount_fraction": FRACTION_DTYPE,  # what is left of one currency unit, same sign
        "amount_rest": REST_DTYPE,  # what is left of 10^-24, same sign
        "amount_remainder": pl.Int64(),  # over 10^36 x share denominator, same sign
        "amount_minor": pl.Int64(),
        "true_up_minor": pl.Int64(),  # on top of `amount_minor`, up to the minimum of the price
        "currency": pl.String(),
        "price_hash": pl.String(),
        "rounding_mode": pl.String(),
        "rule_version": pl.Int32(),
    }
)
DERIVATION: Final = pl.Schema(
    {
        "line_id": pl.String(),
        "step": pl.UInt32(),  # 1, 2, … within the line
        "name": pl.String(),  # 'price', 'share', or a field of `around.AROUND`
        "group": pl.String(),  # '' for usage that is one quantity
        "tier": pl.UInt32(),  # as the price numbers it; 0: free, or a default
        # Of a price's step: units inside the tier. Of another: those converted, or taken off.
        "units": QUANTITY_DTYPE,
        "quantity": QUANTITY_DTYPE,  # what is multiplied: these units, or packages; or what is left
        "unit_amount": QUANTITY_DTYPE,
        "flat_amount": QUANTITY_DTYPE,
        "value": QUANTITY_DTYPE,  # what the price says in that field
        # Of a price's step: quantity x unit amount + flat amount. Of another: what it changed.
        "amount_whole": pl.Int64(),
        "amount_fraction": FRACTION_DTYPE,
        "amount_rest": REST_DTYPE,
        "amount_remainder": pl.Int64(),
    }
)


def check_frame(name: str, frame: pl.DataFrame, schema: pl.Schema, key: tuple[str, ...]) -> None:
    """Raise `RatingInputError` unless `frame` has exactly `schema` and one row per `key`."""
    check_schema(name, frame, schema, key)
    if frame.select(pl.struct(*key).is_duplicated().any()).item():
        raise RatingInputError(f"{name}: {', '.join(key)} must be present and name one row only")


def check_schema(name: str, frame: pl.DataFrame, schema: pl.Schema, key: tuple[str, ...]) -> None:
    """Raise `RatingInputError` unless `frame` has exactly `schema`, and `key` in every row."""
    if frame.schema != schema:
        raise RatingInputError(f"{name}: expected the columns {schema}, got {frame.schema}")
    if any(frame[column].null_count() for column in key):
        raise RatingInputError(f"{name}: {', '.join(key)} must be present and name one row only")
