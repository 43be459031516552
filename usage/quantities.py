"""Exact quantities, in the unit of their meter."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Final

import polars as pl

from catalog.meter_definition import MeterDefinition
from catalog.metering.conversion import Conversion, round_fraction
from catalog.metering.rows import QUANTITY
from rating.errors import QuantityTooLargeError

ANSWER: Final = pl.Schema(
    {
        "window": pl.UInt32(),
        "meter_id": pl.String(),
        "subject": pl.String(),
        "dimensions": pl.String(),
        "quantity": QUANTITY,
        "numerator": pl.String(),
        "denominator": pl.String(),
        "event_count": pl.Int64(),
        "unmeterable_count": pl.Int64(),
    }
)
"""An answer's rows. Numerator over denominator, decimal texts, is the quantity before rounding."""

_DECIMALS: Final = 12
_WHOLE_LIMIT: Final = 10**26
_DIGITS: Final = 400
"""Of intermediate products: far more than the operands have together, so nothing is rounded."""


def as_answer(rows: pl.DataFrame, **columns: pl.Expr) -> pl.DataFrame:
    """`rows` with some columns, as `ANSWER`."""
    named = rows.with_columns(**columns)
    return named.select(pl.col(name).cast(dtype) for name, dtype in ANSWER.items())


def convert(rows: pl.DataFrame, meters: Sequence[MeterDefinition]) -> pl.DataFrame:
    """`ANSWER` with units converted and missing quantities worked out of their ratios.

    Rounded once: by the conversion's own rule, and at 12 decimals, half away from zero. Raises
    `QuantityTooLargeError` for a quantity of more than 26 digits before the point.
    """
    conversions = {str(meter.id): meter.conversion for meter in meters if meter.conversion}
    open_ones = pl.col("quantity").is_null() | pl.col("meter_id").is_in(list(conversions))
    rest = rows.filter(open_ones)
    if rest.is_empty():
        return rows
    worked = [
        _worked_out(numerator, denominator, conversions.get(meter_id), f"{meter_id} of {subject!r}")
        for meter_id, subject, numerator, denominator in zip(
            *(rest[name].to_list() for name in ("meter_id", "subject", "numerator", "denominator")),
            strict=True,
        )
    ]
    names = ("quantity", "numerator", "denominator")
    found = [
        pl.Series(name, [each[at] for each in worked], ANSWER[name])
        for at, name in enumerate(names)
    ]
    return pl.concat([rows.filter(~open_ones), rest.with_columns(found)])


def _worked_out(
    numerator: str, denominator: str, conversion: Conversion | None, what: str
) -> tuple[Decimal, str, str]:
    """Quantity, numerator and denominator in the meter's unit."""
    exact = Fraction(numerator) / Fraction(denominator)
    if conversion is not None:
        exact = conversion.of(exact)
        if conversion.rounding is not None:
            numerator, denominator = decimal_text(exact), "1"
        else:
            numerator = decimal_text(Fraction(numerator) * Fraction(conversion.factor))
    if abs(exact) >= _WHOLE_LIMIT:
        raise QuantityTooLargeError([what])
    rounded = round_fraction(exact, _DECIMALS, "half_away_from_zero")
    return Decimal(decimal_text(rounded)), numerator, denominator


def decimal_text(exact: Fraction) -> str:
    """A fraction that is a decimal, written out in full."""
    with localcontext() as context:
        context.prec = _DIGITS
        text = f"{Decimal(exact.numerator) / Decimal(exact.denominator):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
