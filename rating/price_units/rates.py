"""Dated rates of price units, and of currencies that are billed in another one.

| field | takes |
|---|---|
| `digits` | of a price unit, 0 to 12; a currency has its own |
| `conversions` | a list of `currency`, `from`, an instant, and `rate`, what one unit is in it |

A rate is in force from its instant up to, and not including, that of the next one of its currency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import polars as pl

from core.errors import ValidationError
from core.money import Currency
from rating.errors import PriceParameterError
from rating.exact import decimal_of
from rating.frames import INSTANT_DTYPE, QUANTITY_DTYPE, check_frame
from rating.price_units.unit import DIGITS_MAX, PriceUnit, currency_named
from rating.prices.reading import Fields

CONVERSIONS_MAX: Final = 10_000

RATES: Final = pl.Schema(
    {
        "currency": pl.String(),  # of the line, a price unit's code among them
        "billed_currency": pl.String(),
        "rate_from": INSTANT_DTYPE,
        "rate": QUANTITY_DTYPE,
    }
)


@dataclass(frozen=True, slots=True)
class Conversion:
    """From an instant on, one unit is `rate` units of 10^-12 of a currency."""

    currency: Currency
    start: datetime
    rate: int


@dataclass(frozen=True, slots=True)
class UnitRates:
    """What one price unit, or currency, is in currencies."""

    unit: PriceUnit | Currency
    conversions: tuple[Conversion, ...]

    @classmethod
    def read(cls, code: str, parameters: Mapping[str, Any]) -> UnitRates:
        """As written. Raises `PriceParameterError` naming the path, `ValidationError` the code."""
        fields = Fields(parameters, f"price_units.{code}")
        unit: PriceUnit | Currency | None = currency_named(code)
        if unit is None:
            unit = PriceUnit(code, fields.integer("digits", range(DIGITS_MAX + 1)))
        elif fields.has("digits"):
            raise PriceParameterError(
                fields.path("digits"), "is for a price unit; a currency has its own, leave it out"
            )
        found = tuple(_conversions(fields, unit))
        fields.done()
        return cls(unit, found)


def _conversions(fields: Fields, unit: PriceUnit | Currency) -> list[Conversion]:
    newest: dict[str, datetime] = {}
    found = []
    for each in fields.tables("conversions", CONVERSIONS_MAX):
        try:
            currency = Currency(each.name("currency"))
        except ValidationError as wrong:
            raise PriceParameterError(each.path("currency"), wrong.message) from wrong
        if currency == unit:
            raise PriceParameterError(each.path("currency"), "is the unit itself; name another")
        start, rate = each.instant("from"), each.amount("rate")
        if not rate:
            raise PriceParameterError(each.path("rate"), "must be above zero")
        if currency.code in newest and start <= newest[currency.code]:
            raise PriceParameterError(
                each.path("from"), f"must be later than the one of {currency} before"
            )
        newest[currency.code] = start
        each.done()
        found.append(Conversion(currency, start, rate))
    return found


def rates_frame(units: Sequence[UnitRates]) -> pl.DataFrame:
    """`RATES`, sorted by instant. Raises `RatingInputError` for a unit that is there twice."""
    rows = [
        (
            each.unit.code,
            conversion.currency.code,
            conversion.start,
            conversion.rate,
        )
        for each in units
        for conversion in each.conversions
    ]
    raw = pl.Schema({**RATES, "rate": pl.Int128()})
    frame = pl.DataFrame(rows, schema=raw, orient="row").with_columns(decimal_of(pl.col("rate")))
    check_frame("price units", frame, RATES, ("currency", "billed_currency", "rate_from"))
    return frame.sort("rate_from")
