"""Small frames for rating: one row per line, keyword overrides, no randomness."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import polars as pl

from core.money import Currency
from rating.engine import rate_period
from rating.frames import GROUPED_USAGE, LINES, USAGE
from rating.prices import Price, model_named
from rating.rounding import RoundingMode

NOVEMBER = datetime(2023, 11, 1, tzinfo=UTC)

Used = Mapping[str, Decimal]
"""Quantities by group; the group of usage that is one quantity is ''."""


def price(
    model: str,
    parameters: Mapping[str, Any],
    *,
    price_id: str = "price-1",
    currency: str = "EUR",
    mode: RoundingMode = "half_away_from_zero",
    adjustments: Mapping[str, Any] | None = None,
) -> Price:
    made = Price(price_id, f"hash of {price_id}", model, parameters, Currency(currency), mode)
    return replace(made, adjustments=adjustments or {})


def lines(*rows: tuple[str, str, str | None, str]) -> pl.DataFrame:
    """Rows of (subscription, line key, meter, price)."""
    full = [(sub, NOVEMBER, key, meter, priced) for sub, key, meter, priced in rows]
    return pl.DataFrame(full, schema=LINES, orient="row")


def usage(*rows: tuple[str, str, Decimal]) -> pl.DataFrame:
    """Rows of (subscription, meter, quantity)."""
    full = [(sub, NOVEMBER, meter, quantity, 1, 0) for sub, meter, quantity in rows]
    return pl.DataFrame(full, schema=USAGE, orient="row")


def grouped_usage(*rows: tuple[str, str, Sequence[str], str, Decimal]) -> pl.DataFrame:
    """Rows of (subscription, meter, names of the dimensions, group, quantity)."""
    full = [
        (sub, NOVEMBER, meter, quantity, 1, 0, group_text(names), group)
        for sub, meter, names, group, quantity in rows
    ]
    return pl.DataFrame(full, schema=GROUPED_USAGE, orient="row")


def group_text(values: Sequence[str]) -> str:
    """What usage calls dimensions, or their values."""
    return json.dumps(list(values), separators=(",", ":"), ensure_ascii=False) if values else ""


def inputs(prices: Sequence[Price], used: Sequence[Used]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One line per price, each of its own subscription, and its usage."""
    subs = [f"sub-{index:04}" for index in range(len(prices))]
    wanted = [
        (sub, "line", "meter" if model_named(each.model).metered else None, each.price_id)
        for sub, each in zip(subs, prices, strict=True)
    ]
    rows = [
        (sub, "meter", dimensions_of(each.parameters), group, quantity)
        for sub, each, quantities in zip(subs, prices, used, strict=True)
        for group, quantity in quantities.items()
    ]
    return lines(*wanted), grouped_usage(*rows)


def beside_lines(
    one: Price, amounts: Mapping[str, Decimal]
) -> tuple[pl.DataFrame, pl.DataFrame, list[Price]]:
    """A line `line` of one price, beside lines of these keys that come to these amounts."""
    unit = replace(price("per_unit", {"amount": "1"}, price_id="unit"), currency=one.currency)
    wanted = lines(
        *(("sub", key, key, "unit") for key in amounts), ("sub", "line", None, one.price_id)
    )
    return wanted, usage(*(("sub", *each) for each in amounts.items())), [unit, one]


def dimensions_of(parameters: Mapping[str, Any]) -> list[str]:
    """By what a price tells usage apart."""
    one = [parameters["dimension"]] if "dimension" in parameters else []
    return sorted(parameters.get("group_by") or parameters.get("dimensions") or one)


def rate_each(prices: Sequence[Price], quantities: Sequence[Decimal | Used]) -> pl.DataFrame:
    """`rate_period` of one line per price."""
    used = [each if isinstance(each, Mapping) else {"": each} for each in quantities]
    return rate_period(*inputs(prices, used), prices)


def exact_amounts(rated: pl.DataFrame) -> list[Fraction]:
    """The exact amount of each row: three limbs of one sign."""
    names = ["amount_whole", "amount_fraction", "amount_rest", "amount_remainder"]
    if "share_denominator" not in rated.columns:
        rated = rated.with_columns(share_denominator=pl.lit(1))
    amounts = []
    for *limbs, denominator in rated.select(*names, "share_denominator").rows():
        whole, part, rest, remainder = limbs
        assert abs(part) < 1
        assert abs(rest) < Fraction(1, 10**24)
        assert abs(remainder) < denominator
        assert min(limbs) >= 0 or max(limbs) <= 0
        exact = whole + Fraction(part) + Fraction(rest)
        amounts.append(exact + Fraction(remainder, 10**36 * denominator))
    return amounts


def quantity_of(scaled: int) -> Decimal:
    """From units of 10^-12."""
    with localcontext(prec=50):
        return Decimal(scaled).scaleb(-12)
