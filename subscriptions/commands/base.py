"""What every command has, and what several of them share."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal, Protocol

from core.calendar.cycle import Cycle
from core.errors import BusinessLogicError, ValidationError
from core.instants import check_instant
from subscriptions.life.lifecycle import OVER, SERVED, InvalidStateTransitionError
from subscriptions.life.standing import Standing

When = Literal["now", "period_end"] | datetime
"""At once, at the end of the period that lasts, or at an instant."""


class Command(Protocol):
    """What may be done to a subscription."""

    name: ClassVar[str]

    def apply(self, standing: Standing, at: datetime, cycle: Cycle) -> Standing:
        """How the subscription stands after this was done at `at`.

        Everything that came by itself up to then is in `standing`. Raises
        `InvalidStateTransitionError`, `BusinessLogicError`, `ValidationError`.
        """
        ...


def instant_of(when: When, standing: Standing, at: datetime, cycle: Cycle) -> datetime:
    """The instant that `when` means at `at`. A period ends at the latest with its trial."""
    if when == "now":
        return at
    if when == "period_end":
        if standing.status == "TRIALING" and standing.trial_ends_at:
            return standing.trial_ends_at
        return cycle.period_of(max(at, standing.start)).end
    if check_instant(when, "at") < at:
        raise ValidationError(
            f"at: {when.isoformat()} lies before {at.isoformat()}; give that or a later one",
            field="at",
        )
    return when


def refuse_over(standing: Standing, what: str) -> None:
    """Raise unless the subscription is alive: begun, or going to begin."""
    if standing.status in OVER:
        raise InvalidStateTransitionError(
            f"status: a subscription that is {standing.status} cannot be {what}; reactivate it",
            status=standing.status,
            event=what,
        )


def refuse_unserved(standing: Standing, what: str) -> None:
    """Raise unless the customer has what it subscribed to."""
    if standing.status not in SERVED:
        raise InvalidStateTransitionError(
            f"status: a subscription that is {standing.status} cannot be {what}",
            status=standing.status,
            event=what,
        )


def refuse_after_end(standing: Standing, at: datetime, field: str) -> None:
    """Raise where the subscription is over before `at`."""
    if standing.end is not None and at >= standing.end:
        raise BusinessLogicError(
            f"{field}: {at.isoformat()} is not before the end of the subscription,"
            f" {standing.end.isoformat()}; extend it, or take the cancellation back, first",
            field=field,
        )
