"""From rated lines in price units to what is billed: the exact amount x a rate, rounded once.

Nothing is rounded in the price unit on the way: 0.4 of a token without digits at 2.00 is 0.80. A
true-up is what the rounded minimum comes to beyond the billed line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from core.money import MINOR_LIMIT, Currency
from rating.errors import AmountTooLargeError, NotInForceError, RatingInputError
from rating.exact import LIMB, Exact, int128, units_of, with_number, with_product
from rating.frames import INSTANT_DTYPE, QUANTITY_DTYPE, RATED, check_frame
from rating.price_units.rates import UnitRates, rates_frame
from rating.price_units.unit import PriceUnit
from rating.rounding import minor_factor, with_minor
from rating.told import as_derivation, as_told, told_minor

TO_CONVERT: Final = pl.Schema(
    {**RATED, "billed_currency": pl.String(), "converted_at": INSTANT_DTYPE}
)
"""Rated lines, the currency to bill each in, and the instant whose rate it takes."""

CONVERTED: Final = pl.Schema(
    {
        **TO_CONVERT,
        "rate_from": INSTANT_DTYPE,  # since when the rate is in force
        "rate": QUANTITY_DTYPE,
        "billed_minor": pl.Int64(),
        "billed_true_up_minor": pl.Int64(),
    }
)
"""The line as it was rated, in its unit, and what it comes to in the billed currency."""

_PARTS: Final = 3
"""Parts of a rated amount."""


def convert(lines: pl.DataFrame, units: Sequence[UnitRates]) -> pl.DataFrame:
    """`TO_CONVERT` to `CONVERTED`, in the order of `lines`.

    A line that is in the billed currency stays what it is, at a rate of 1.
    Raises `NotInForceError` and `AmountTooLargeError` naming the lines, `ValidationError` for a
    billed currency that is none, and `RatingInputError` for a frame that breaks its schema.
    """
    check_frame("lines", lines, TO_CONVERT, ("line_id",))
    names = ["currency", "billed_currency", "converted_at", "rounding_mode"]
    if any(lines.select(names).null_count().row(0)):
        raise RatingInputError(f"lines: {', '.join(names)} must be present")
    rows = _with_rate(lines.with_row_index("_row"), units)
    rate = Exact.of_units(units_of(pl.col("rate")))
    frame = with_number(rows.lazy(), "_exact", _rated_amount())
    frame = _with_billed(frame, "billed_minor", Exact.named("_exact", _PARTS), rate)
    # What is billed in all, its true-up included, is of minor units of the price unit.
    minor = (pl.col("amount_minor").cast(pl.Int128) + pl.col("true_up_minor")).alias("_all")
    frame = frame.with_columns(minor, _factor=minor_factor("_unit_digits"))
    frame = with_number(
        frame,
        "_whole",
        [
            pl.col("_all") // pl.col("_factor"),
            pl.col("_all") % pl.col("_factor") * (int128(LIMB) // pl.col("_factor")),
        ],
    )
    frame = _with_billed(frame, "_all_minor", Exact.named("_whole", 1), rate)
    owed = pl.col("true_up_minor") > 0
    lacking = pl.col("_all_minor") - pl.col("billed_minor")
    done = frame.with_columns(
        billed_true_up_minor=pl.when(owed).then(lacking).otherwise(int128(0))
    ).collect()
    limit = int128(MINOR_LIMIT)
    size = pl.max_horizontal(pl.col("billed_minor", "_all_minor").abs())
    over = done.filter(size >= limit)
    if over.height:
        raise AmountTooLargeError(over["line_id"].to_list())
    billed = pl.col("billed_minor", "billed_true_up_minor").cast(pl.Int64)
    return done.with_columns(billed).select(CONVERTED.names()).match_to_schema(CONVERTED)


def derive_conversion(converted: pl.DataFrame) -> pl.DataFrame:
    """What `convert` did to each line: `frames.DERIVATION`, two steps in the billed currency.

    `value` is the rate, and the amount what is billed of the line, and of its true-up.
    """
    check_frame("converted", converted, CONVERTED, ("line_id",))
    rows = converted.with_row_index("line").with_columns(minor_digits=_digits(converted))
    steps = {"conversion": "billed_minor", "conversion_true_up": "billed_true_up_minor"}
    told = [
        as_told(rows.lazy().select("line", *told_minor(minor), name=pl.lit(name), value="rate"))
        for name, minor in steps.items()
    ]
    return as_derivation(told, converted["line_id"])


def _digits(lines: pl.DataFrame) -> pl.Expr:
    """Minor digits of the billed currency."""
    codes = lines["billed_currency"].unique()
    return _digits_of("billed_currency", [Currency(code) for code in codes])


def _digits_of(column: str, units: Sequence[PriceUnit | Currency]) -> pl.Expr:
    """Those of the unit that a column names; null for another one."""
    codes = pl.Series([each.code for each in units], dtype=pl.String)
    digits = pl.Series([each.minor_digits for each in units], dtype=pl.Int32)
    return pl.col(column).replace_strict(codes, digits, default=None)


def _with_rate(lines: pl.DataFrame, units: Sequence[UnitRates]) -> pl.DataFrame:
    """Lines, in their order, with the rate in force, `minor_digits` and those of their unit."""
    rates = rates_frame(units)
    found = lines.sort("converted_at").join_asof(
        rates,
        left_on="converted_at",
        right_on="rate_from",
        by=["currency", "billed_currency"],
        strategy="backward",
        check_sortedness=False,
    )
    itself = pl.col("currency") == pl.col("billed_currency")
    one = int128(LIMB).reinterpret(dtype=QUANTITY_DTYPE)
    unit_digits = _digits_of("currency", [each.unit for each in units])
    rated = (
        found.sort("_row")
        .with_columns(minor_digits=_digits(lines))
        .with_columns(
            pl.when(itself).then(one).otherwise("rate").alias("rate"),
            pl.when(itself).then("converted_at").otherwise("rate_from").alias("rate_from"),
            pl.when(itself).then("minor_digits").otherwise(unit_digits).alias("_unit_digits"),
        )
    )
    missing = rated.filter(pl.col("rate").is_null())
    if missing.height:
        raise NotInForceError("conversions", missing["line_id"].to_list())
    return rated


def _rated_amount() -> list[pl.Expr]:
    """The three limbs of a rated amount, of one sign, as raw ones of 12 digits each."""
    fraction = pl.col("amount_fraction").to_physical()
    return [
        pl.col("amount_whole").cast(pl.Int128),
        fraction // int128(LIMB),
        fraction % int128(LIMB),
        pl.col("amount_rest").to_physical(),
    ]


def _with_billed(frame: pl.LazyFrame, name: str, amount: Exact, rate: Exact) -> pl.LazyFrame:
    """Add an amount in minor units of the billed currency, rounded by the mode of the line."""
    frame = with_product(frame, "_billed", amount, rate)
    parts = len(amount.limbs)
    frame = with_minor(frame, Exact.named("_billed", parts), name=name)
    return frame.drop([f"_billed_{at}" for at in range(parts + 1)])
