"""Prices as they are sold and stored: model, currency, exact parameters, rounding, content hash.

What the parameters mean is `rating.prices`' word: they are checked there before they are stored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from core.errors import ValidationError
from core.money import Currency
from rating.prices import model_named
from rating.rounding import DEFAULT_ROUNDING_MODE, RoundingMode, parse_rounding_mode


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
        return content_hash(
            {
                "model": self.model,
                "currency": self.currency.code,
                "parameters": dict(self.parameters),
                "rounding": self.rounding,
            }
        )

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
    model_named(model).parameter_row(texts)
    return PriceTerms(model, Currency(currency), texts, parse_rounding_mode(rounding))


def content_hash(content: Mapping[str, Any]) -> str:
    """Hex SHA-256 of JSON in canonical form: sorted keys, no spaces, UTF-8."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _decimal_text(field: str, value: str | int) -> str:
    """`"3.00"` → `"3"`; what is no decimal stays as it is, for the price model to refuse."""
    if isinstance(value, bool | float):
        raise ValidationError(f'{field}: write the amount in quotes, "{value}"', field=field)
    try:
        number = Decimal(value)
    except InvalidOperation:
        return str(value)
    if not number.is_finite() or "e" in str(value).lower():
        return str(value)
    text = f"{number:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
