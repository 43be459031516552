"""Instants from outside: aware, and such that every database and every calendar can hold them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime

EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)


def _holdable(at: datetime) -> datetime:
    try:
        in_time = at.astimezone(UTC) >= EARLIEST
    except OverflowError:
        in_time = False
    if not in_time:
        raise ValueError("give an instant from 1900 to 9999, in UTC")
    return at


Instant = Annotated[AwareDatetime, AfterValidator(_holdable)]
"""An instant with its offset, from 1900 to 9999 in UTC: a field of what programs send."""
