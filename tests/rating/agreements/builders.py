"""Agreements and instants for tests: keyword overrides, no randomness."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from io import BytesIO
from typing import Any

import polars as pl
from hypothesis import strategies as st

from core.money import Currency
from rating.agreements.base import Agreement
from rating.rounding import RoundingMode

CURRENCIES = {"JPY": 0, "EUR": 2, "KWD": 3, "CLF": 4}


def agreement(
    parameters: Mapping[str, Any],
    *,
    agreement_id: str = "agreement-1",
    currency: str = "EUR",
    mode: RoundingMode = "half_away_from_zero",
) -> Agreement:
    name = f"hash of {agreement_id}"
    return Agreement(agreement_id, name, parameters, Currency(currency), mode)


def month(number: int) -> datetime:
    """The first of the month so many months after January 2024."""
    return datetime(2024 + number // 12, number % 12 + 1, 1, tzinfo=UTC)


def hour(number: int) -> datetime:
    return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=number)


def empty(schema: pl.Schema) -> pl.DataFrame:
    return pl.DataFrame(schema=schema)


def amounts_of(steps: pl.DataFrame) -> dict[str, Fraction]:
    """The exact sum of the steps of each line."""
    sums: dict[str, Fraction] = {}
    for line_id, whole, part, rest in steps.select(
        "line_id", "amount_whole", "amount_fraction", "amount_rest"
    ).rows():
        amount = whole + Fraction(part) + Fraction(rest)
        sums[line_id] = sums.get(line_id, Fraction(0)) + amount
    return sums


def stored(state: pl.DataFrame) -> pl.DataFrame:
    """As it comes back from a Parquet file."""
    file = BytesIO()
    state.write_parquet(file)
    return pl.read_parquet(file.getvalue())


@st.composite
def cuts(draw: st.DrawFn, count: int) -> list[int]:
    """Where a run of rows is cut into calls: bounds from 0 to `count`."""
    inner = draw(st.sets(st.integers(1, max(1, count - 1)), max_size=3))
    return sorted({0, *(each for each in inner if each < count), count})
