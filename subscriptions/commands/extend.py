"""Extend: another end of the contract, or none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from core.calendar.cycle import Cycle
from core.errors import ValidationError
from subscriptions.commands.base import refuse_over
from subscriptions.life.standing import Standing


@dataclass(frozen=True, slots=True)
class Extend:
    """Let it expire at `until` unless it is extended again; None: it goes on for ever."""

    name: ClassVar[str] = "extend"
    until: datetime | None

    def apply(self, standing: Standing, at: datetime, cycle: Cycle) -> Standing:
        """Only the end of the contract changes: a trial and its outcome stay."""
        refuse_over(standing, "extended")
        if self.until is not None and self.until <= at:
            raise ValidationError(
                f"until: {self.until.isoformat()} is not after {at.isoformat()}; cancel it instead",
                field="until",
            )
        if self.until == standing.expires_at:
            return standing
        return replace(standing, at=at, expires_at=self.until)
