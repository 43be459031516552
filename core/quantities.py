"""Quantities from outside: exact decimals, written so that nothing is lost or guessed."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Final

from pydantic import AfterValidator

from core.errors import ValidationError

_WRITTEN: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,12})?")
_RULE: Final = "give 0 to below 10^15, with at most 12 decimals"


def parse_quantity(written: str | int, field: str) -> Decimal:
    """A number of units, in its shortest form. Raises `ValidationError`."""
    if not _WRITTEN.fullmatch(str(written)):
        raise ValidationError(f"{field}: {written!r} is no quantity: {_RULE}", field=field)
    return Decimal(f"{Decimal(written).normalize():f}")


def parse_positive_quantity(written: str | int, field: str) -> Decimal:
    """The same of more than nothing. Raises `ValidationError`."""
    quantity = parse_quantity(written, field)
    if not quantity:
        raise ValidationError(f"{field}: give more than 0", field=field)
    return quantity


def _checked(text: str) -> str:
    if not _WRITTEN.fullmatch(text):
        raise ValueError(_RULE)
    return text


Quantity = Annotated[str, AfterValidator(_checked)]
"""A quantity as text: a field of what programs send."""
