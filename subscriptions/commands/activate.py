"""Activate: what waits, or is on trial, is billed from now on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from core.calendar.cycle import Cycle
from subscriptions.life.standing import Standing


@dataclass(frozen=True, slots=True)
class Activate:
    """End the trial, or the wait for the start or for a payment, at once."""

    name: ClassVar[str] = "activate"

    def apply(self, standing: Standing, at: datetime, cycle: Cycle) -> Standing:
        """`FREE` and `TRIALING` become `ACTIVE`; terms begin at `at`."""
        active = replace(
            standing.step("activate", at),
            start=min(standing.start, at),
            trial_ends_at=min(standing.trial_ends_at, at) if standing.trial_ends_at else None,
            trial_converts=True,
        )
        return active.begun(at)
