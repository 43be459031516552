"""Which instants a subscription may have: such as people and servers can reckon with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime

from core.errors import ValidationError

FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
END: Final = datetime(2200, 1, 1, tzinfo=UTC)


def check_instant(at: datetime, field: str) -> datetime:
    """`at` in UTC. Raises `ValidationError` before 1970 and from 2200 on."""
    if not FIRST <= at < END:
        raise ValidationError(f"{field}: give an instant from 1970 to 2199", field=field)
    return at.astimezone(UTC)


def _bounded(at: datetime) -> datetime:
    if not FIRST <= at < END:
        raise ValueError("give an instant from 1970 to 2199")
    return at.astimezone(UTC)


Instant = Annotated[AwareDatetime, AfterValidator(_bounded)]
"""An instant of a body."""
