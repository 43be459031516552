"""Pause: stop billing, or the service, or both, for a time or until it is resumed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from core.calendar.cycle import Cycle
from core.errors import BusinessLogicError, ValidationError
from subscriptions.commands.base import refuse_after_end, refuse_unserved
from subscriptions.life.standing import Standing
from subscriptions.life.timeline import Pause


@dataclass(frozen=True, slots=True)
class PauseCommand:
    """Pause from now on, until `until` if it is given. Periods go on stepping meanwhile."""

    name: ClassVar[str] = "pause"
    billing: bool = True
    service: bool = True
    until: datetime | None = None

    def apply(self, standing: Standing, at: datetime, cycle: Cycle) -> Standing:
        """A pause lies over the terms; what is planned behind it stays planned."""
        refuse_unserved(standing, "paused")
        if not (self.billing or self.service):
            raise ValidationError("billing: say what is paused: billing, service", field="billing")
        if self.until is not None and self.until <= at:
            raise ValidationError(
                f"until: {self.until.isoformat()} is not after {at.isoformat()}", field="until"
            )
        refuse_after_end(standing, at, "at")
        if standing.pause is not None:
            raise BusinessLogicError(
                "status: the subscription is paused already; resume it first", field="pause"
            )
        pause = Pause(at, self.until, self.billing, self.service)
        return replace(standing, at=at, pauses=(*standing.pauses, pause))
