"""Random lives of subscriptions, beside a calendar kept by hand: states, billing, history, events.

Every command comes at a random time; what comes by itself is caught up with by commands, by the
sweep, or never before the end. Periods are billed now and then, in between.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count, pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from core.errors import TollbookError
from core.period import Period
from db.outbox import changes_after, last_position
from db.postgres import Database
from subscriptions.commands import (
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
from subscriptions.life.advance import advance
from subscriptions.life.change_history import changes_of
from subscriptions.life.timeline import billed
from subscriptions.periods import DuePeriod, due_periods, mark_billed
from tests.subscriptions.life.life_model import PHASES, TRIALS, Life, RefusedError
from tests.subscriptions.operating import JANUARY, Desk, open_desk

_names = count(1)
PLANS = ("standard", "dearer")


def day(number: int) -> datetime:
    return JANUARY + timedelta(days=number)


def optional_day(number: int | None) -> datetime | None:
    return None if number is None else day(number)


WHEN = st.sampled_from(["now", "period_end"]) | st.integers(0, 60)
LATER = st.none() | st.integers(0, 80)


class Lives(RuleBasedStateMachine):
    """One subscription and its model."""

    desk: Desk
    versions: dict[Any, str]

    @initialize(
        start=st.integers(0, 20),
        activation=st.sampled_from(["start", "start", "payment"]),
        trial=st.none() | st.integers(1, 40),
        converts=st.booleans(),
        expires=st.none() | st.integers(1, 200),
        plan=st.sampled_from(PLANS),
    )
    def subscribe(
        self,
        start: int,
        activation: str,
        trial: int | None,
        converts: bool,
        expires: int | None,
        plan: str,
    ) -> None:
        self.slug = f"life-{next(_names)}"
        with self.desk.database.transaction() as conn:
            self.position = last_position(conn, self.desk.tenant_id)
        if activation == "payment":
            start, trial = 0, None
        given = None if trial is None else day(start + trial)
        if trial is None and activation == "start":
            trial = TRIALS[plan][1] or None  # that of the plan
        converts = converts or trial is None
        self.model = Life(plan=(plan, 0), start=start, converts=converts)
        self.model.trial_end = None if trial is None else start + trial
        self.model.expires_at = None if expires is None else start + expires
        self.due: list[DuePeriod] = []
        if activation == "start":
            for each in range(start, len(self.model.planned)):
                self.model.planned[each] = self.model.plan
            if not converts and trial:
                for each in range(start + trial, len(self.model.planned)):
                    self.model.planned[each] = None
            self.model.wake()
        self._desk.subscribe(
            self.slug,
            plan=plan,
            start=day(start),
            anchor=JANUARY,
            activation=activation,
            trial_ends_at=given,
            trial_converts=converts,
            expires_at=None if expires is None else day(start + expires),
            subjects=[self.slug],
        )

    @property
    def _desk(self) -> Desk:
        return self.desk.at(day(self.model.day if hasattr(self, "model") else 0))

    def _both(self, command: Command, same: Callable[[], None]) -> None:
        """Do it to both: both do it, or both refuse."""
        try:
            same()
        except RefusedError:
            with pytest.raises(TollbookError):
                self._desk.do(command, self.slug)
            return
        self._desk.do(command, self.slug)

    @rule(days=st.integers(0, 45))
    def wait(self, days: int) -> None:
        self.model.sleep(days)

    @rule()
    def activate(self) -> None:
        self._both(Activate(), self.model.activate)

    @rule(succeeded=st.booleans())
    def pay(self, succeeded: bool) -> None:
        self._both(Payment(succeeded), self.model.pay if succeeded else self.model.fail)

    @rule(when=WHEN)
    def cancel(self, when: str | int) -> None:
        word = when if isinstance(when, str) else self.model.day + when
        at = day(word) if isinstance(word, int) else word
        self._both(Cancel(at), lambda: self.model.cancel(word))  # type: ignore[arg-type]  # words

    @rule()
    def uncancel(self) -> None:
        self._both(Uncancel(), self.model.uncancel)

    @rule(later=LATER)
    def extend(self, later: int | None) -> None:
        until = None if later is None else self.model.day + later
        self._both(Extend(optional_day(until)), lambda: self.model.extend(until))

    @rule(later=LATER, billing=st.booleans())
    def pause(self, later: int | None, billing: bool) -> None:
        until = None if later is None else self.model.day + later
        command = PauseCommand(billing=billing, service=True, until=optional_day(until))
        self._both(command, lambda: self.model.stop(until, billing=billing))

    @rule()
    def resume(self) -> None:
        self._both(Resume(), self.model.resume)

    @rule(plan=st.none() | st.sampled_from(PLANS), seats=st.none() | st.integers(1, 9), when=WHEN)
    def change(self, plan: str | None, seats: int | None, when: str | int) -> None:
        word = when if isinstance(when, str) else self.model.day + when
        command = Change(
            None if plan is None else self.desk.version(plan),
            None if seats is None else {"seats": Decimal(seats)},
            day(word) if isinstance(word, int) else word,  # type: ignore[arg-type]  # words
            frozenset({"seats"}),
        )
        self._both(command, lambda: self.model.change(plan, seats, word))

    @rule(plan=st.none() | st.sampled_from(PLANS))
    def reactivate(self, plan: str | None) -> None:
        version = None if plan is None else self.desk.version(plan)
        command = Reactivate(version, keeps=frozenset({"seats"}))
        self._both(command, lambda: self.model.reactivate(plan))

    @rule(days=st.integers(0, 40), converts=st.booleans())
    def start_trial(self, days: int, converts: bool) -> None:
        until = self.model.day + days
        self._both(
            StartTrial(day(until), converts),
            lambda: self.model.start_trial(until, converts=converts),
        )

    @rule()
    def sweep(self) -> None:
        desk = self._desk
        advance(desk.database, desk.clock, desk.tenant_id, desk.clock.now())
        assert desk.find(self.slug).standing.status == self.model.status

    @rule()
    def bill(self) -> None:
        """Whatever is due by now, as a billing run does."""
        desk = self._desk
        with desk.database.transaction() as conn:
            mine = desk.find(self.slug).id
            found = [
                each
                for each in due_periods(conn, desk.tenant_id, desk.clock.now(), None, 100_000)
                if each.subscription_id == mine
            ]
            mark_billed(conn, found)
        self.due += found

    @invariant()
    def same_days_are_billed(self) -> None:
        if not hasattr(self, "model"):
            return
        found = self._desk.find(self.slug)
        stands, today = found.standing, self.model.day
        if today:
            terms = billed(stands.terms, stands.pauses, stands.end, Period(day(0), day(today)))
            assert self._by_day(terms, today) == self.model.billed

    def _by_day(self, terms: Any, days: int) -> list[Any]:
        found: list[Any] = [None] * days
        for each in terms:
            plan = (self.versions[each.plan_version_id], int(each.quantities.get("seats", 0)))
            for number in range((each.start - JANUARY).days, (each.end - JANUARY).days):
                assert found[number] is None
                found[number] = (plan, each.trial, each.phase)
        return found

    def teardown(self) -> None:
        if not hasattr(self, "model"):
            return
        self.sweep()
        self.bill()
        desk = self._desk
        with desk.database.transaction(snapshot=True) as conn:
            changes = changes_of(conn, desk.tenant_id, desk.find(self.slug).id, limit=10_000)
        self._check_history(changes)
        self._check_events(desk)
        self._check_periods()

    def _check_history(self, changes: list[Any]) -> None:
        """Each change begins with what the one before left; the states are those of the model."""
        assert [each.revision for each in changes] == list(range(1, len(changes) + 1))
        for earlier, later in pairwise(changes):
            names = set(earlier.after) - {"period_start", "period_end", "billed_until"}
            assert {name: later.before[name] for name in names} == {
                name: earlier.after[name] for name in names
            }
            assert later.effective_at >= earlier.effective_at
        moves = [
            (each.before["status"], each.after["status"], (each.effective_at - JANUARY).days)
            for each in changes[1:]
            if each.before["status"] != each.after["status"]
        ]
        known = self.model.statuses
        assert moves == (known if changes[0].after["status"] == "FREE" else known[1:])

    def _check_events(self, desk: Desk) -> None:
        """Every change of state is told once, with both states and its instant."""
        shown = desk.find(self.slug).as_resource()["id"]
        with desk.database.transaction() as conn:
            told = [
                event.payload
                for event in changes_after(
                    conn, desk.tenant_id, self.position, 10_000, ["subscription.status.changed"]
                ).events
                if event.resource_id == shown
            ]
        assert [
            (
                each["old_status"],
                each["new_status"],
                (datetime.fromisoformat(each["at"]) - JANUARY).days,
            )
            for each in told
        ] == self.model.statuses

    def _check_periods(self) -> None:
        """In order, touching or with days between that nothing was billed for; each day once."""
        for earlier, later in pairwise(self.due):
            assert earlier.period.end <= later.period.start
        covered = [
            number
            for each in self.due
            for number in range(
                (each.period.start - JANUARY).days, (each.period.end - JANUARY).days
            )
        ]
        assert len(covered) == len(set(covered))
        seen: list[Any] = [None] * self.model.day
        for each in self.due:
            for number, what in enumerate(self._by_day(each.terms, self.model.day)):
                seen[number] = what or seen[number]
        last = (self.due[-1].period.end - JANUARY).days if self.due else 0
        served = [number for number, what in enumerate(self.model.billed) if what]
        assert seen[:last] == self.model.billed[:last]
        boundary = self._desk.find(self.slug).period
        assert all(day(number) >= boundary.start for number in served if number >= last)
        assert boundary.end > self._desk.clock.now() or not [n for n in served if n >= last]


def phases_of(plan: str) -> list[dict[str, Any]]:
    trial, days = TRIALS[plan]
    first = {"key": trial, "name": "Try", "lasts": f"P{days}D", "trial": True}
    return [
        *([first] if trial else []),
        *({"key": key, "name": key, "lasts": f"P{days}D"} for key, days in PHASES[plan]),
    ]


@pytest.mark.req("SUB-13", "SUB-15", "SUB-19")
def test_random_lives_agree_with_a_calendar_kept_by_hand(
    database: Database, life_cases: int
) -> None:
    desk = open_desk(database, dearer_phases=phases_of("dearer"))
    Lives.desk = desk
    Lives.versions = {desk.version(plan): plan for plan in PLANS}
    run_state_machine_as_test(
        Lives,
        settings=settings(
            max_examples=life_cases,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
