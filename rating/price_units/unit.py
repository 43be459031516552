"""A price unit: what a price may be in besides a currency."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from core.errors import ValidationError
from core.money import Currency

DIGITS_MAX: Final = 12

_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class PriceUnit:
    """A unit of 0 to 12 digits. Raises `ValidationError`, for the code of a currency, too."""

    code: str
    minor_digits: int

    def __post_init__(self) -> None:
        if not _CODE.fullmatch(self.code):
            raise ValidationError(
                f"price unit: {self.code!r} is not a letter and up to 63 letters, digits, - and _",
                field="price_unit",
            )
        if currency_named(self.code) is not None:
            raise ValidationError(
                f"price unit: {self.code} is a currency; take another name", field="price_unit"
            )
        if type(self.minor_digits) is not int or not 0 <= self.minor_digits <= DIGITS_MAX:
            raise ValidationError(
                f"digits: give a whole number from 0 to {DIGITS_MAX}, got {self.minor_digits!r}",
                field="digits",
            )

    def __str__(self) -> str:
        return self.code


def currency_named(code: str) -> Currency | None:
    """The currency of this ISO 4217 code, if it is one."""
    try:
        return Currency(code)
    except ValidationError:
        return None
