"""Start a trial: served from now on, flat fees waived until it ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from core.calendar.cycle import Cycle
from core.errors import ValidationError
from subscriptions.life.standing import Standing


@dataclass(frozen=True, slots=True)
class StartTrial:
    """Try until `until`; then it is billed (`converts`), or expires."""

    name: ClassVar[str] = "start_trial"
    until: datetime
    converts: bool = True

    def apply(self, standing: Standing, at: datetime, cycle: Cycle) -> Standing:
        """`FREE` and `EXPIRED` become `TRIALING`."""
        if self.until <= at:
            raise ValidationError(
                f"until: {self.until.isoformat()} is not after {at.isoformat()}", field="until"
            )
        trying = replace(
            standing.step("start_trial", at),
            start=min(standing.start, at),
            over_at=None,
            trial_ends_at=self.until,
            trial_converts=self.converts,
        )
        return trying.begun(at, trial_until=self.until)
