"""Instants from outside: aware, and such that servers and people can reckon with them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime

from core.errors import ValidationError

FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
END: Final = datetime(2200, 1, 1, tzinfo=UTC)
_RULE: Final = "give an instant from 1970 to 2199"


def check_instant(at: datetime, field: str) -> datetime:
    """`at` in UTC. Raises `ValidationError` before 1970 and from 2200 on."""
    if not FIRST <= at < END:
        raise ValidationError(f"{field}: {_RULE}", field=field)
    return at.astimezone(UTC)


def _bounded(at: datetime) -> datetime:
    if not FIRST <= at < END:
        raise ValueError(_RULE)
    return at


Instant = Annotated[AwareDatetime, AfterValidator(_bounded)]
"""An instant with its offset, from 1970 to 2199: a field of what programs send."""
