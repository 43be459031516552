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
from decimal import Decimal
from typing import Annotated, Any, Final

import pydantic
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from catalog.meters import check_slug
from catalog.prices import terms_hash
from core.errors import ValidationError
from core.money import Currency
from core.refusals import refusal_of
from rating.around import read_around
from rating.lint import Finding, TierTerms, lint_tiers
from rating.prices import Price, model_named
from rating.prices.base import TIERS_MAX
from rating.rounding import DEFAULT_ROUNDING_MODE, parse_rounding_mode

PRICES_MAX: Final = 10_000

_RULES: Final = ConfigDict(extra="forbid", strict=True, frozen=True)


@dataclass(frozen=True, slots=True)
class _Tiered:
    """What the tiers of a model may say."""

    amounts: tuple[str, ...]
    sized: bool = False


_BOTH: Final = ("unit_amount", "flat_amount")
_TIERED: Final[Mapping[str, _Tiered]] = {
    "graduated": _Tiered(_BOTH),
    "volume": _Tiered(_BOTH),
    "stairstep": _Tiered(("flat_amount",)),
    "graduated_package": _Tiered(_BOTH, sized=True),
    "volume_package": _Tiered(_BOTH, sized=True),
}


def _as_text(value: object) -> object:
    return str(value) if type(value) is int else value


def _decimal(text: str) -> str:
    whole, _, part = text.partition(".")
    digits = f"{whole}{part or '0'}"
    if not (whole and digits.isascii() and digits.isdigit()) or text.endswith("."):
        raise ValueError('give a decimal in quotes that is not negative, such as "0.50"')
    if len(whole) > 26 or len(part) > 12:  # noqa: PLR2004 - the digits of Decimal(38, 12)
        raise ValueError("at most 26 digits before the point and 12 after it")
    return text


_Exact = Annotated[str, BeforeValidator(_as_text), AfterValidator(_decimal)]
_Text = Annotated[str, Field(min_length=1, max_length=256)]


class _TierEntry(BaseModel):
    model_config = _RULES
    above: _Exact | None = None
    up_to: _Exact | None = None
    unit_amount: _Exact | None = None
    flat_amount: _Exact | None = None
    size: _Exact | None = None


class _TieredEntry(BaseModel):
    model_config = _RULES
    tiers: Annotated[list[_TierEntry], Field(min_length=1, max_length=TIERS_MAX)]
    group_by: list[_Text] = []
    groups: list[dict[str, _Text]] = []


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
        except pydantic.ValidationError as error:
            raise refusal_of(error, path) from error
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
    money, parameters = Currency(currency), entry.model_extra or {}
    model, tiers, found = model_named(entry.model), None, list[Finding]()
    if shape := _TIERED.get(model.name):
        tiers = _tiers(_TieredEntry.model_validate(parameters), shape)
        found = lint_tiers(tiers, whole_quantity=not model.marginal, path=f"{path}.tiers")
        plain = [
            {name: value for name, value in tier.items() if name != "above"}
            for tier in parameters["tiers"]
        ]
        parameters = {**parameters, "tiers": plain}
    if all(finding.kind == "cliff" for finding in found):  # the model refuses the other kinds
        model.terms(parameters)
    rounding = parse_rounding_mode(entry.rounding)
    read_around(entry.adjustments, model)
    digest = terms_hash(model.name, money, parameters, rounding, entry.adjustments)
    price = Price(entry.key, digest, model.name, parameters, money, rounding, entry.adjustments)
    return BookPrice(path, price, tiers, tuple(found))


def _tiers(entry: _TieredEntry, model: _Tiered) -> tuple[TierTerms, ...]:
    return tuple(_tier(tier, model, f"tiers[{number}]") for number, tier in enumerate(entry.tiers))


def _tier(tier: _TierEntry, model: _Tiered, path: str) -> TierTerms:
    written = tier.model_dump(exclude_none=True)
    known = {"above", "up_to", *model.amounts} | ({"size"} if model.sized else set())
    for name in written:
        if name not in known:
            raise ValidationError(f"{path}.{name}: this model does not know it; leave it out")
    if not any(name in written for name in model.amounts):
        raise ValidationError(f"{path}.{model.amounts[0]}: missing; add it")
    if model.sized:
        _check_size(tier.size, f"{path}.size")
    return TierTerms(
        up_to=_optional(tier.up_to),
        unit_amount=Decimal(tier.unit_amount or 0),
        flat_amount=Decimal(tier.flat_amount or 0),
        size=_optional(tier.size),
        above=_optional(tier.above),
    )


def _check_size(size: str | None, path: str) -> None:
    if size is None or not Decimal(size):
        raise ValidationError(f"{path}: give the units of a package, above zero")


def _optional(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
