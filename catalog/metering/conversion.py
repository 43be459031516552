"""The unit of a meter's quantity: a factor, and maybe a rounding, after everything was added up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Final

from catalog.metering.decimals import SCALE
from catalog.metering.expressions import fits
from core.errors import ValidationError

ROUNDINGS: Final = ("half_away_from_zero", "half_even", "up", "down")
"""up: away from zero; down: towards zero."""

_FIELDS: Final = frozenset({"factor", "rounding", "decimals"})


@dataclass(frozen=True, slots=True)
class Conversion:
    """Quantity times factor, rounded to `decimals` decimals; exact where there is no rounding."""

    factor: Decimal
    rounding: str | None = None
    decimals: int | None = None

    def __post_init__(self) -> None:
        if self.factor <= 0 or not fits(self.factor):
            raise _refused("factor", "give a decimal above 0 with at most 12 decimals, in quotes")
        if (self.rounding is None) != (self.decimals is None):
            raise _refused("rounding", "give rounding and decimals together, or neither")
        if self.rounding is not None and self.rounding not in ROUNDINGS:
            raise _refused("rounding", f"give one of {', '.join(ROUNDINGS)}")
        if self.decimals is not None and not 0 <= self.decimals <= SCALE:
            raise _refused("decimals", f"give 0 to {SCALE}")

    def of(self, quantity: Fraction) -> Fraction:
        """The converted quantity, exactly."""
        converted = quantity * Fraction(self.factor)
        if self.rounding is None or self.decimals is None:
            return converted
        return round_fraction(converted, self.decimals, self.rounding)

    def as_document(self) -> dict[str, object]:
        """The TOML and JSON form."""
        document: dict[str, object] = {"factor": f"{self.factor:f}"}
        if self.rounding is not None:
            document |= {"rounding": self.rounding, "decimals": self.decimals}
        return document


def conversion_of(document: object) -> Conversion:
    """Read `{ factor = "0.001", rounding = "up", decimals = 0 }`. Raises `ValidationError`."""
    if not isinstance(document, Mapping) or document.keys() - _FIELDS:
        raise ValidationError(
            'conversion: write { factor = "0.001", rounding = "up", decimals = 0 }',
            field="conversion",
        )
    factor, decimals = document.get("factor"), document.get("decimals")
    try:
        number = Decimal(factor) if isinstance(factor, str | int) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(factor, bool) or not fits(number):
        raise _refused("factor", 'give a decimal above 0 in quotes, such as "0.001"')
    if decimals is not None and (not isinstance(decimals, int) or isinstance(decimals, bool)):
        raise _refused("decimals", "give a whole number")
    rounding = document.get("rounding")
    return Conversion(
        Decimal(f"{number.normalize():f}"), None if rounding is None else str(rounding), decimals
    )


def round_fraction(exact: Fraction, decimals: int, rounding: str) -> Fraction:
    """Round to a number of decimals by one of `ROUNDINGS`."""
    scaled = abs(exact) * 10**decimals
    whole, rest = divmod(scaled.numerator, scaled.denominator)
    half = 2 * rest - scaled.denominator
    away = {
        "up": rest > 0,
        "down": False,
        "half_away_from_zero": half >= 0,
        "half_even": half > 0 or (half == 0 and whole % 2 == 1),
    }[rounding]
    sign = -1 if exact < 0 else 1
    return Fraction(sign * (whole + away), 10**decimals)


def _refused(field: str, fix: str) -> ValidationError:
    return ValidationError(f"conversion.{field}: {fix}", field=f"conversion.{field}")
