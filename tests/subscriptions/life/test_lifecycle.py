"""The table of states: each pair of state and event, allowed or refused."""

from __future__ import annotations

from itertools import product

import pytest

from subscriptions.life.lifecycle import (
    CONTEXT_STATES,
    EVENTS,
    STATUSES,
    Event,
    InvalidStateTransitionError,
    Status,
    next_status,
)

# Written down by hand, from what the sources say of each state.
ALLOWED = {
    "FREE": {"start_trial": "TRIALING", "activate": "ACTIVE", "cancel": "CANCELED",
             "expire": "EXPIRED"},
    "TRIALING": {"activate": "ACTIVE", "cancel": "CANCELED", "expire": "EXPIRED"},
    "ACTIVE": {"fail_payment": "PAST_DUE", "cancel": "CANCELED", "expire": "EXPIRED"},
    "PAST_DUE": {"settle": "ACTIVE", "exhaust_retries": "GRACE_PERIOD", "cancel": "CANCELED",
                 "expire": "EXPIRED"},
    "GRACE_PERIOD": {"settle": "ACTIVE", "end_grace": "CANCELED", "cancel": "CANCELED",
                     "expire": "EXPIRED"},
    "CANCELED": {"reactivate": "ACTIVE"},
    "EXPIRED": {"reactivate": "ACTIVE", "start_trial": "TRIALING"},
}  # fmt: skip


@pytest.mark.req("SUB-09", "SUB-10", "ERR-15")
@pytest.mark.parametrize(("status", "event"), list(product(STATUSES, EVENTS)))
def test_a_pair_is_allowed_or_refused(status: Status, event: Event) -> None:
    expected = ALLOWED[status].get(event)
    if expected is not None:
        assert next_status(status, event) == expected
        return
    with pytest.raises(InvalidStateTransitionError, match=f"that is {status} cannot") as refused:
        next_status(status, event)
    assert refused.value.details == {"status": status, "event": event}


def test_every_state_can_be_reached_and_left() -> None:
    reached = {
        next_status(*pair) for pair in product(STATUSES, EVENTS) if pair[1] in ALLOWED[pair[0]]
    }
    assert reached | {"FREE"} == set(STATUSES)
    assert all(ALLOWED[status] for status in STATUSES)


@pytest.mark.req("SUB-11")
def test_four_states_stand_for_ours_one_to_one() -> None:
    assert {CONTEXT_STATES[each] for each in ("FREE", "TRIALING", "ACTIVE", "CANCELED")} == {
        "created",
        "trial",
        "active",
        "canceled",
    }
    assert set(CONTEXT_STATES) == set(STATUSES)
