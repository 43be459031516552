"""Take a planned cancellation back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from core.calendar.cycle import Cycle
from core.errors import BusinessLogicError
from subscriptions.commands.base import refuse_over
from subscriptions.life.standing import Standing


@dataclass(frozen=True, slots=True)
class Uncancel:
    """Go on as if it had not been canceled. What is over is reactivated instead."""

    name: ClassVar[str] = "uncancel"

    def apply(self, standing: Standing, at: datetime, cycle: Cycle) -> Standing:
        """The planned end is gone; a contract's end stays."""
        refuse_over(standing, "uncanceled")
        if standing.cancel_at is None:
            raise BusinessLogicError("cancel_at: no cancellation is planned", field="cancel_at")
        return replace(standing, at=at, cancel_at=None)
