"""Prices as they are sold and stored: model, currency, exact parameters, rounding, content hash.

What the parameters mean is `rating.prices`' word: they are checked there before they are stored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from core.errors import ValidationError
from core.money import Currency
from rating.prices import model_named
from rating.rounding import DEFAULT_ROUNDING_MODE, RoundingMode, parse_rounding_mode

SOLD: Final = ("flat", "per_unit")
"""The price models that an invoice can show; the others are rated, and not yet sold."""

_NAMES: Final = frozenset({"dimension", "dimensions", "group_by", "groups", "values"})
"""Parameters that hold names and values of dimensions, where "1.0" is not "1"."""


@dataclass(frozen=True, slots=True)
class PriceTerms:
    """One price, made by `price_terms`; `parameters` are decimal texts in their shortest form."""

    model: str
    currency: Currency
    parameters: Mapping[str, str]
    rounding: RoundingMode

    @property
    def content_hash(self) -> str:
        """Hex SHA-256 of the canonical JSON: equal terms have equal hashes, however written."""
        return terms_hash(self.model, self.currency, self.parameters, self.rounding, {})

    @property
    def metered(self) -> bool:
        """Whether the price needs a meter."""
        return model_named(self.model).metered


def price_terms(
    model: str,
    currency: str,
    parameters: Mapping[str, str | int],
    rounding: str = DEFAULT_ROUNDING_MODE,
) -> PriceTerms:
    """Check a price as written. Raises `ValidationError` naming the field and the fix.

    `price_terms("per_unit", "USD", {"amount": "3.00", "per": 1_000_000})` is exactly
    0.000003 a unit.
    """
    texts = {field: _decimal_text(field, value) for field, value in parameters.items()}
    model_named(model).terms(texts)
    if model not in SOLD:
        raise ValidationError(
            f"model: invoices cannot show {model!r} yet; use one of {', '.join(SOLD)}",
            field="model",
        )
    return PriceTerms(model, Currency(currency), texts, parse_rounding_mode(rounding))


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


def _shortest(field: str, value: Any) -> Any:
    """Decimals in tables and lists of tables; texts that are names stay as they are."""
    if isinstance(value, Mapping):
        named = field in _NAMES
        return {name: each if named else _shortest(name, each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [
            _shortest(field, each) if isinstance(each, Mapping) else each  # a list of names
            for each in value
        ]
    number = isinstance(value, str) or type(value) is int
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
