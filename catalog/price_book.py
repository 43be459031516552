"""Price books as data: the prices of a TOML or JSON document, checked, each error with its path.

For example:

    currency = "USD"

    [[prices]]
    key = "tokens"
    model = "volume"
    tiers = [
        { up_to = "1000000", unit_amount = "0.000003" },
        { unit_amount = "0.0000025", flat_amount = "0.50" },
    ]

What else a price has are the parameters of its model. What stands around the model is a table
`adjustments`, as `rating.around` reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from catalog.meters import check_slug
from catalog.prices import read_price
from core.errors import ValidationError
from core.money import Currency
from core.refusals import refusal_of
from rating.lint import Finding, TierTerms
from rating.prices import Price
from rating.rounding import DEFAULT_ROUNDING_MODE

PRICES_MAX: Final = 10_000

_RULES: Final = ConfigDict(extra="forbid", strict=True, frozen=True)
_Text = Annotated[str, Field(min_length=1, max_length=256)]


class _PriceEntry(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    key: _Text
    model: _Text
    currency: _Text | None = None
    rounding: _Text = DEFAULT_ROUNDING_MODE
    adjustments: dict[str, Any] = {}


class _BookEntry(BaseModel):
    model_config = _RULES
    currency: _Text | None = None
    prices: Annotated[list[_PriceEntry], Field(min_length=1, max_length=PRICES_MAX)]
    examples: list[Any] = []
    """Read by `catalog.price_examples`."""


@dataclass(frozen=True, slots=True)
class BookPrice:
    """One price of a book; `tiers` is None for models that have none."""

    path: str
    price: Price
    """Its id is its key."""
    tiers: tuple[TierTerms, ...] | None = None
    findings: tuple[Finding, ...] = field(default=(), compare=False)

    @property
    def key(self) -> str:
        """What it is called in the book."""
        return self.price.price_id


def parse_price_book(document: Mapping[str, Any]) -> list[BookPrice]:
    """All prices of a book, in its order. Raises `ValidationError` naming the path and the fix."""
    try:
        book = _BookEntry.model_validate(dict(document))
    except pydantic.ValidationError as error:
        raise refusal_of(error) from error
    found: dict[str, BookPrice] = {}
    for position, entry in enumerate(book.prices):
        path = f"prices[{position}]"
        try:
            price = _price(entry, path, entry.currency or book.currency)
        except ValidationError as error:
            raise ValidationError(f"{path}.{error.message}", **error.details) from error
        if price.key in found:
            raise ValidationError(
                f"{path}.key: {found[price.key].path} is called {price.key!r}, too; choose another",
                field=f"{path}.key",
            )
        found[price.key] = price
    return list(found.values())


def lint_price_book(prices: list[BookPrice]) -> list[tuple[BookPrice, Finding]]:
    """What `rating.lint` finds, price by price; paths are those of the document."""
    return [(price, finding) for price in prices for finding in price.findings]


def _price(entry: _PriceEntry, path: str, currency: str | None) -> BookPrice:
    check_slug(entry.key, "key")
    if currency is None:
        raise ValidationError('currency: missing; write currency = "EUR" here or for the book')
    written = read_price(
        entry.model,
        Currency(currency),
        entry.model_extra or {},
        entry.rounding,
        entry.adjustments,
        path,
    )
    price = written.terms.as_price(entry.key)
    return BookPrice(path, price, written.shape.tiers, written.shape.findings)
