"""What all commands have in common, tried with each of them in each state."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from core.calendar.cycle import Cycle
from core.errors import TollbookError
from subscriptions.commands import (
    COMMANDS,
    Activate,
    Cancel,
    Change,
    Command,
    Extend,
    PauseCommand,
    Payment,
    Reactivate,
    Resume,
    StartTrial,
    Uncancel,
)
from subscriptions.life.lifecycle import OVER, STATUSES, TRANSITIONS, Status
from subscriptions.life.standing import Standing, next_step_at, steps_until

START = datetime(2024, 1, 1, tzinfo=UTC)
NOW = START + timedelta(days=10)
CYCLE = Cycle(START, ZoneInfo("UTC"))
PLANS = [UUID(int=1), UUID(int=2)]

CASES: list[Command] = [
    Activate(),
    Cancel("now"),
    Cancel("period_end"),
    Cancel(NOW + timedelta(days=3)),
    Change(PLANS[1]),
    Change(PLANS[1], when="period_end"),
    Extend(None),
    Extend(NOW + timedelta(days=100)),
    PauseCommand(),
    Payment(succeeded=True),
    Payment(succeeded=False),
    Reactivate(),
    Resume(),
    StartTrial(NOW + timedelta(days=7)),
    StartTrial(NOW + timedelta(days=7), converts=False),
    Uncancel(),
]


def standing(status: Status) -> Standing:
    """A subscription that came into this state on the fifth day."""
    waiting = Standing(START, "FREE", START, "payment", PLANS[0])
    at = START + timedelta(days=5)
    if status == "FREE":
        return waiting
    if status == "TRIALING":
        return StartTrial(START + timedelta(days=20)).apply(waiting, at, CYCLE)
    active = Activate().apply(waiting, START, CYCLE)
    if status == "ACTIVE":
        return replace(active, at=at)
    if status == "CANCELED":
        return Cancel("now").apply(active, at, CYCLE)
    if status == "EXPIRED":
        expiring = Extend(at).apply(active, START, CYCLE)
        return list(steps_until(expiring, at))[-1].standing
    for _ in range(1 if status == "PAST_DUE" else 4):
        active = Payment(succeeded=False).apply(active, at, CYCLE)
    return active


def test_every_command_has_a_case() -> None:
    assert {type(each) for each in CASES} == set(COMMANDS.values())
    assert {each.name for each in CASES} == set(COMMANDS)


@pytest.mark.parametrize("status", STATUSES)
def test_every_state_is_what_it_says(status: Status) -> None:
    assert standing(status).status == status


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("command", CASES, ids=repr)
def test_a_command_leads_where_the_table_says_or_is_refused(
    command: Command, status: Status
) -> None:
    before = standing(status)
    try:
        after = command.apply(before, NOW, CYCLE)
    except TollbookError:
        return
    if after == before:
        return
    assert after.at == NOW
    assert after.start <= NOW
    reachable = {to for (came, _), to in TRANSITIONS.items() if came == status}
    assert after.status == status or after.status in reachable
    for earlier, later in zip(after.terms, after.terms[1:], strict=False):
        assert earlier.end is not None
        assert earlier.end <= later.start
    if after.status in OVER:
        assert after.over_at == NOW
        assert all(each.end is not None and each.end <= NOW for each in after.terms)
        assert next_step_at(after) is None
    step_at = next_step_at(after)
    assert step_at is None or step_at > NOW


@pytest.mark.parametrize("command", CASES, ids=repr)
def test_what_is_past_stays(command: Command) -> None:
    before = standing("ACTIVE")
    try:
        after = command.apply(before, NOW, CYCLE)
    except TollbookError:
        return
    assert after.terms[0].start == before.terms[0].start
    assert after.terms[0].plan_version_id == before.terms[0].plan_version_id


@pytest.mark.parametrize(
    ("command", "status", "message"),
    [
        (Cancel(NOW - timedelta(seconds=1)), "ACTIVE", "^at: .* lies before"),
        (Cancel("now"), "CANCELED", "^status: .*cannot be canceled; reactivate it"),
        (Change(PLANS[1]), "EXPIRED", "^status: .*cannot be changed"),
        (Extend(NOW), "ACTIVE", "^until: .* is not after"),
        (PauseCommand(billing=False, service=False), "ACTIVE", "^billing: say what"),
        (PauseCommand(until=NOW), "ACTIVE", "^until: .* is not after"),
        (PauseCommand(), "FREE", "^status: .*cannot be paused"),
        (Resume(), "ACTIVE", "^status: .*is not paused"),
        (StartTrial(NOW), "FREE", "^until: .* is not after"),
        (Uncancel(), "ACTIVE", "^cancel_at: no cancellation is planned"),
        (Reactivate(until=NOW), "CANCELED", "^until: .* is not after"),
    ],
    ids=repr,
)
def test_what_cannot_be_is_named(command: Command, status: Status, message: str) -> None:
    with pytest.raises(TollbookError, match=message):
        command.apply(standing(status), NOW, CYCLE)


def test_a_planned_end_stands_in_the_way_of_what_comes_after_it() -> None:
    ending = Cancel(NOW + timedelta(days=3)).apply(standing("ACTIVE"), NOW, CYCLE)
    with pytest.raises(TollbookError, match="not before the end of the subscription"):
        Change(PLANS[1], when=NOW + timedelta(days=3)).apply(ending, NOW, CYCLE)
    assert Uncancel().apply(ending, NOW, CYCLE) == replace(standing("ACTIVE"), at=NOW)
