"""What a price is, and what a price model promises.

A model turns parameters into rows of a frame once, when a price book is built, and lines into exact
amounts, a whole frame at a time.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Final

import polars as pl

from core.money import Currency
from rating.errors import PriceParameterError
from rating.exact import ExactAmount
from rating.frames import QUANTITY_DTYPE
from rating.rounding import DEFAULT_ROUNDING_MODE, RoundingMode

PRICE_LIMIT: Final = Decimal(10) ** 15
"""Amounts in parameters stay below this many currency units."""

PRICE_DECIMALS_MAX: Final = 12
_DECIMAL_TEXT: Final = re.compile(r"-?\d{1,40}(\.\d{1,40})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Price:
    """One price as it is sold: immutable, known by its id, proved by its content hash."""

    price_id: str
    content_hash: str
    model: str
    parameters: Mapping[str, str]
    currency: Currency
    rounding_mode: RoundingMode = DEFAULT_ROUNDING_MODE


@dataclass(frozen=True, slots=True)
class PricedColumns:
    """What a model computes for each line, as expressions over line and parameter columns."""

    quantity: pl.Expr
    """Decimal(38,12): what the amount is a price for."""
    unit_amount: pl.Expr
    """Decimal(38,12): currency units for one unit of `quantity`."""
    amount: ExactAmount


class PriceModel(ABC):
    """One way to turn a quantity into an amount. Stateless; one instance in the registry."""

    name: ClassVar[str]
    metered: ClassVar[bool]
    """Whether the price needs a meter; a model that does not must not be given one."""
    parameter_schema: ClassVar[pl.Schema]
    """The columns of `parameter_row`, without `price_id`."""

    @abstractmethod
    def parameter_row(self, parameters: Mapping[str, str]) -> dict[str, Decimal]:
        """Validate parameters as written. Raises `PriceParameterError` naming the field."""

    @abstractmethod
    def priced(self) -> PricedColumns:
        """The exact amount of each line, over `usage_quantity` and the parameter columns.

        `usage_quantity` is Decimal(38,12), zero where nothing was used. Nothing is rounded here.
        """


def read_fields(
    parameters: Mapping[str, str], required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> None:
    """Raise `PriceParameterError` for a missing or an unknown field."""
    for field in required:
        if field not in parameters:
            raise PriceParameterError(field, 'missing; give a decimal in quotes such as "0.50"')
    for field in parameters:
        if field not in (*required, *optional):
            known = ", ".join((*required, *optional))
            raise PriceParameterError(field, f"unknown parameter; this model knows {known}")


def read_decimal(field: str, text: str) -> Decimal:
    """A decimal ≥ 0, exact as written. Raises `PriceParameterError` for anything else."""
    if not isinstance(text, str) or not _DECIMAL_TEXT.fullmatch(text):
        raise PriceParameterError(field, f'expected a decimal in quotes, "0.50", got {text!r}')
    value = Decimal(text)
    if value.is_signed() and value:
        raise PriceParameterError(field, f"must not be negative, got {text}")
    return abs(value)


def check_price(field: str, value: Decimal) -> Decimal:
    """`value` with 12 decimals. Raises `PriceParameterError` when it needs more, or is ≥ 10^15."""
    if value >= PRICE_LIMIT:
        raise PriceParameterError(field, f"must be below 10^15, got {value:f}")
    stored = value.quantize(Decimal(1).scaleb(-PRICE_DECIMALS_MAX))
    if stored != value:
        raise PriceParameterError(field, f"has more than 12 decimals: {value:f}")
    return stored


AMOUNT_SCHEMA: Final = pl.Schema({"amount": QUANTITY_DTYPE})
"""The parameter columns of a model whose only parameter is an amount."""
