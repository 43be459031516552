"""The seven states of a subscription, and the one table of what leads from each to which.

| here | elsewhere called |
|---|---|
| `FREE` | created: nothing is paid for |
| `TRIALING` | trial |
| `ACTIVE` | active |
| `PAST_DUE` | active, a payment failed and is retried |
| `GRACE_PERIOD` | active, the last retry failed |
| `CANCELED` | canceled, by somebody or by the end of the grace period |
| `EXPIRED` | canceled, by the end of its time |

Being paused is no state: it stands beside the state (`subscriptions.life.timeline.Pause`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

from core.errors import BusinessLogicError

Status = Literal["FREE", "TRIALING", "ACTIVE", "PAST_DUE", "GRACE_PERIOD", "CANCELED", "EXPIRED"]
STATUSES: Final[tuple[Status, ...]] = get_args(Status)

Event = Literal[
    "start_trial",
    "activate",
    "fail_payment",
    "exhaust_retries",
    "settle",
    "cancel",
    "end_grace",
    "expire",
    "reactivate",
]
EVENTS: Final[tuple[Event, ...]] = get_args(Event)

CONTEXT_STATES: Final[Mapping[Status, str]] = {
    "FREE": "created",
    "TRIALING": "trial",
    "ACTIVE": "active",
    "PAST_DUE": "active",
    "GRACE_PERIOD": "active",
    "CANCELED": "canceled",
    "EXPIRED": "canceled",
}
"""What systems that know four states call ours."""

SERVED: Final[frozenset[Status]] = frozenset({"TRIALING", "ACTIVE", "PAST_DUE", "GRACE_PERIOD"})
"""States in which the customer has what it subscribed to."""

OVER: Final[frozenset[Status]] = frozenset({"CANCELED", "EXPIRED"})
"""States in which nothing more happens, unless the customer comes back."""

TRANSITIONS: Final[Mapping[tuple[Status, Event], Status]] = {
    ("FREE", "start_trial"): "TRIALING",
    ("FREE", "activate"): "ACTIVE",
    ("FREE", "cancel"): "CANCELED",
    ("FREE", "expire"): "EXPIRED",
    ("TRIALING", "activate"): "ACTIVE",
    ("TRIALING", "cancel"): "CANCELED",
    ("TRIALING", "expire"): "EXPIRED",
    ("ACTIVE", "fail_payment"): "PAST_DUE",
    ("ACTIVE", "cancel"): "CANCELED",
    ("ACTIVE", "expire"): "EXPIRED",
    ("PAST_DUE", "settle"): "ACTIVE",
    ("PAST_DUE", "exhaust_retries"): "GRACE_PERIOD",
    ("PAST_DUE", "cancel"): "CANCELED",
    ("PAST_DUE", "expire"): "EXPIRED",
    ("GRACE_PERIOD", "settle"): "ACTIVE",
    ("GRACE_PERIOD", "end_grace"): "CANCELED",
    ("GRACE_PERIOD", "cancel"): "CANCELED",
    ("GRACE_PERIOD", "expire"): "EXPIRED",
    ("CANCELED", "reactivate"): "ACTIVE",
    ("EXPIRED", "reactivate"): "ACTIVE",
    ("EXPIRED", "start_trial"): "TRIALING",
}
"""All that is allowed; whatever is not listed is refused."""


class InvalidStateTransitionError(BusinessLogicError):
    """The subscription is in a state that this does not lead on from."""

    code = "invalid_state_transition"


def next_status(status: Status, event: Event) -> Status:
    """Where `event` leads. Raises `InvalidStateTransitionError` naming what is possible."""
    found = TRANSITIONS.get((status, event))
    if found is None:
        possible = [each for state, each in TRANSITIONS if state == status]
        raise InvalidStateTransitionError(
            f"status: a subscription that is {status} cannot {event.replace('_', ' ')}; what it"
            f" can: {', '.join(possible).replace('_', ' ')}",
            status=status,
            event=event,
        )
    return found
