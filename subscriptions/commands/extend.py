"""Extend: another end of the contract, or none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from core.calendar.cycle import Cycle
from core.errors import ValidationError
from subscriptions.commands.base import refuse_over
from subscriptions.standing import Standing


@dataclass(frozen=True, slots=True)
class Extend:
    """Let it expire at `until` unless it is extended again; None: it goes on for ever."""

    name: ClassVar[str] = "extend"
    until: datetime | None

    def apply(self, standing: Standing, at: datetime, cycle: Cycle) -> Standing:
        """Only the planned end changes; on trial, its outcome does not."""
        refuse_over(standing, "extended")
        if self.until is not None and self.until <= at:
            raise ValidationError(
                f"until: {self.until.isoformat()} is not after {at.isoformat()}; cancel it instead",
                field="until",
            )
        trial = None if standing.trial_converts else standing.trial_ends_at
        if standing.status == "TRIALING" and trial and (self.until is None or self.until > trial):
            raise ValidationError(
                f"until: the trial ends at {trial.isoformat()} without a sale; activate it first",
                field="until",
            )
        if self.until == standing.expires_at:
            return standing
        return replace(standing, at=at, expires_at=self.until)
