"""Cancel: now, at the end of the period, or at a date."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from core.calendar.cycle import Cycle
from subscriptions.commands.base import When, instant_of, refuse_after_end, refuse_over
from subscriptions.life.standing import Standing


@dataclass(frozen=True, slots=True)
class Cancel:
    """End the subscription; what is billed ends with it."""

    name: ClassVar[str] = "cancel"
    when: When = "period_end"

    def apply(self, standing: Standing, at: datetime, cycle: Cycle) -> Standing:
        """At once it becomes `CANCELED`; later it stays as it is until then."""
        refuse_over(standing, "canceled")
        end = instant_of(self.when, standing, at, cycle)
        if end == at:
            return standing.step("cancel", at)
        if standing.cancel_at == end:
            return standing
        refuse_after_end(replace(standing, cancel_at=None), end, "at")
        return replace(standing, at=at, cancel_at=end)
