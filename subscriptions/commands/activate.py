"""Activate: what waits, or is on trial, is billed from now on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from core.calendar.cycle import Cycle
from subscriptions.standing import Standing


@dataclass(frozen=True, slots=True)
class Activate:
    """End the trial, or the wait for the start or for a payment, at once."""

    name: ClassVar[str] = "activate"

    def apply(self, standing: Standing, at: datetime, cycle: Cycle) -> Standing:
        """`FREE` and `TRIALING` become `ACTIVE`; terms begin at `at`."""
        active = standing.step("activate", at)
        trial_ends_at = min(standing.trial_ends_at, at) if standing.trial_ends_at else None
        # A trial that was to end without a sale ends with one.
        expires_at = None if _ends_trial(standing) else standing.expires_at
        active = replace(
            active,
            start=min(standing.start, at),
            trial_ends_at=trial_ends_at,
            trial_converts=True,
            expires_at=expires_at,
        )
        return active.begun(at)


def _ends_trial(standing: Standing) -> bool:
    return not standing.trial_converts and standing.expires_at == standing.trial_ends_at
