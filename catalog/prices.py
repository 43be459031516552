"""Prices as they are sold and stored: model, currency, exact parameters, rounding, content hash.

What the parameters mean is `rating.prices`' word: they are checked there before they are stored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from catalog.tier_shapes import CLIFF, Shape, read_shape
from core.errors import ValidationError
from core.money import Currency
from rating.around import read_around
from rating.prices import Price, PriceModel, model_named
from rating.rounding import DEFAULT_ROUNDING_MODE, RoundingMode, parse_rounding_mode

_NAMES: Final = frozenset({"dimension", "dimensions", "group_by", "groups", "values"})
"""Parameters that hold names and values of dimensions, where "1.0" is not "1"."""

_WHOLE: Final = frozenset({"free_events", "decimals"})
"""Parameters that are whole numbers, not decimals in quotes."""


@dataclass(frozen=True, slots=True)
class PriceTerms:
    """One price, made by `price_terms`; decimals are texts in their shortest form."""

    model: str
    currency: Currency
    parameters: Mapping[str, Any]
    rounding: RoundingMode
    adjustments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def content_hash(self) -> str:
        """Hex SHA-256 of the canonical JSON: equal terms have equal hashes, however written."""
        return terms_hash(
            self.model, self.currency, self.parameters, self.rounding, self.adjustments
        )

    @property
    def rated_by(self) -> PriceModel:
        """The model, which reads the parameters."""
        return model_named(self.model)

    @property
    def metered(self) -> bool:
        """Whether the price is for a quantity: of a meter, or one that is agreed."""
        return self.rated_by.metered

    @property
    def group_by(self) -> tuple[str, ...]:
        """The dimensions by which usage comes apart for this price."""
        return self.rated_by.terms(self.parameters).group_by

    def as_price(self, price_id: str) -> Price:
        """The price as rating takes it."""
        return Price(
            price_id,
            self.content_hash,
            self.model,
            self.parameters,
            self.currency,
            self.rounding,
            self.adjustments,
        )


@dataclass(frozen=True, slots=True)
class WrittenPrice:
    """A price as somebody wrote it: what it says, and what about its tiers may be a mistake."""

    terms: PriceTerms
    shape: Shape


def read_price(
    model: str,
    currency: Currency,
    parameters: Mapping[str, Any],
    rounding: str = DEFAULT_ROUNDING_MODE,
    adjustments: Mapping[str, Any] | None = None,
    path: str = "",
) -> WrittenPrice:
    """Check a price as written; findings of its tiers are told, with paths below `path`.

    Raises `ValidationError` naming the field and the fix.
    """
    named = model_named(model)
    shape = read_shape(named, parameters, path)
    if all(finding.kind == CLIFF for finding in shape.findings):  # the model refuses other kinds
        named.terms(shape.parameters)
    mode = parse_rounding_mode(rounding)
    around = adjustments or {}
    read_around(around, named)
    said, beside = (_shortest("", each, _WHOLE) for each in (shape.parameters, around))
    return WrittenPrice(PriceTerms(named.name, currency, said, mode, beside), shape)


def price_terms(
    model: str,
    currency: str,
    parameters: Mapping[str, Any],
    rounding: str = DEFAULT_ROUNDING_MODE,
    adjustments: Mapping[str, Any] | None = None,
) -> PriceTerms:
    """A price that can be sold: as `read_price`, without quantities that no one tier prices.

    `price_terms("per_unit", "USD", {"amount": "3.00", "per": 1_000_000})` is exactly
    0.000003 a unit. Raises `ValidationError` naming the field and the fix.
    """
    written = read_price(model, Currency(currency), parameters, rounding, adjustments)
    for finding in written.shape.findings:
        if finding.kind != CLIFF:
            raise ValidationError(f"{finding.path}: {finding.message}", field=finding.path)
    return written.terms


def terms_hash(
    model: str,
    currency: Currency,
    parameters: Mapping[str, Any],
    rounding: RoundingMode,
    adjustments: Mapping[str, Any],
) -> str:
    """The content hash of a price: of all that it says, with decimals in their shortest form."""
    content = {
        "model": model,
        "currency": currency.code,
        "parameters": _shortest("", parameters),
        "rounding": rounding,
    }
    around = {"adjustments": _shortest("", adjustments)} if adjustments else {}
    return content_hash(content | around)


def content_hash(content: Mapping[str, Any]) -> str:
    """Hex SHA-256 of JSON in canonical form: sorted keys, no spaces, UTF-8."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _shortest(field: str, value: Any, numbers: frozenset[str] = frozenset()) -> Any:
    """Decimals in tables and lists of tables; names, and whole `numbers`, stay as they are."""
    if isinstance(value, Mapping):
        named = field in _NAMES
        return {
            name: each if named else _shortest(name, each, numbers) for name, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [
            _shortest(field, each, numbers)
            if isinstance(each, Mapping)
            else each  # a list of names
            for each in value
        ]
    number = isinstance(value, str) or (type(value) is int and field not in numbers)
    return _decimal_text(field, value) if number and field not in _NAMES else value


def _decimal_text(field: str, value: str | int) -> str:
    """`"3.00"` → `"3"`; what is no decimal stays as it is, for the price model to refuse."""
    if isinstance(value, bool | float):
        raise ValidationError(f'{field}: write the amount in quotes, "{value}"', field=field)
    if not isinstance(value, str | int):
        return str(value)
    try:
        number = Decimal(value)
    except InvalidOperation:
        return str(value)
    if not number.is_finite() or "e" in str(value).lower():
        return str(value)
    text = f"{number:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
