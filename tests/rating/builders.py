"""Small frames for rating: one row per line, keyword overrides, no randomness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import polars as pl

from core.money import Currency
from rating.engine import rate_period
from rating.frames import LINES, USAGE
from rating.prices import Price
from rating.rounding import RoundingMode

NOVEMBER = datetime(2023, 11, 1, tzinfo=UTC)


def price(
    model: str,
    parameters: Mapping[str, str],
    *,
    price_id: str = "price-1",
    currency: str = "EUR",
    mode: RoundingMode = "half_away_from_zero",
) -> Price:
    return Price(price_id, f"hash of {price_id}", model, parameters, Currency(currency), mode)


def lines(*rows: tuple[str, str, str | None, str]) -> pl.DataFrame:
    """Rows of (subscription, line key, meter, price)."""
    full = [(sub, NOVEMBER, key, meter, priced) for sub, key, meter, priced in rows]
    return pl.DataFrame(full, schema=LINES, orient="row")


def usage(*rows: tuple[str, str, Decimal]) -> pl.DataFrame:
    """Rows of (subscription, meter, quantity)."""
    full = [(sub, NOVEMBER, meter, quantity, 1, 0) for sub, meter, quantity in rows]
    return pl.DataFrame(full, schema=USAGE, orient="row")


def rate_each(prices: Sequence[Price], quantities: Sequence[Decimal]) -> pl.DataFrame:
    """One line per price, each of its own subscription, metered when the model is."""
    subs = [f"sub-{index:04}" for index in range(len(prices))]
    rows = [
        (sub, "line", None if each.model == "flat" else "meter", each.price_id)
        for sub, each in zip(subs, prices, strict=True)
    ]
    used = [(sub, "meter", quantity) for sub, quantity in zip(subs, quantities, strict=True)]
    return rate_period(lines(*rows), usage(*used), prices)
