"""Resume: end a pause."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from core.calendar.cycle import Cycle
from core.errors import BusinessLogicError
from subscriptions.life.standing import Standing


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on with what was planned."""

    name: ClassVar[str] = "resume"

    def apply(self, standing: Standing, at: datetime, cycle: Cycle) -> Standing:
        """The pause ends at `at`; one that was no time long is forgotten."""
        pause = standing.pause
        if pause is None or pause.start > at:
            raise BusinessLogicError("status: the subscription is not paused", field="pause")
        others = tuple(each for each in standing.pauses if each != pause)
        ended = (replace(pause, end=at),) if pause.start < at else ()
        return replace(standing, at=at, pauses=(*others, *ended))
