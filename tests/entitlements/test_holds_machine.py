"""Holds against a plain model: taken, committed, released, over, tracked and seen in any order."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from core.ids import TenantId
from db.postgres import Database
from entitlements.errors import HoldClosedError, UsageLimitExceededError
from entitlements.reserving import FRESH
from tests.entitlements.desk import Desk, open_desk
from tests.plugins.database import database, database_url

__all__ = ["database", "database_url"]

LIMIT = 150

_numbers = count(1)
REACHED = {"refused": 0, "committed": 0, "over": 0}


class Holds(RuleBasedStateMachine):
    """What is used is what was tracked and committed, and what is held now: never over the limit.

    Events of others, beside the limit, are known when the counter is read.
    """

    database: Database
    tenant_id: TenantId
    holds = Bundle[str]("holds")

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk(self.database, self.tenant_id, f"calls-{next(_numbers)}")
        self.desk.log.limits.append(LIMIT)
        self.open: dict[str, tuple[int, Any]] = {}
        self.ended: dict[str, str] = {}
        self.recorded: list[tuple[str, int]] = []
        self.direct = self.direct_known = 0
        self.read_at: Any = None

    def look(self) -> int:
        """What is free, once the counter was read again if it is old."""
        now = self.desk.clock.now()
        if self.read_at is None or self.read_at < now - FRESH:
            self.read_at, self.direct_known = now, self.direct
        self.let_end()
        held = sum(quantity for quantity, _ in self.open.values())
        return LIMIT - self.direct_known - held - self.used()

    def used(self) -> int:
        return sum(quantity for _, quantity in self.recorded)

    def let_end(self) -> None:
        now = self.desk.clock.now()
        for name, (_, end) in list(self.open.items()):
            if end <= now:
                del self.open[name]
                self.ended[name] = "expired"
                REACHED["over"] += 1

    @rule(target=holds, quantity=st.integers(1, 30), seconds=st.integers(1, 90))
    def hold(self, quantity: int, seconds: int) -> Any:
        free = self.look()
        if quantity > free:
            self.is_refused(max(0, free), lambda: self.desk.hold(quantity, seconds))
            return multiple()
        made = self.desk.hold(quantity, seconds)
        assert made["remaining"] == str(free - quantity)
        self.open[made["id"]] = (quantity, self.desk.clock.now() + timedelta(seconds=seconds))
        return made["id"]

    @rule(name=holds, quantity=st.integers(1, 40))
    def commit(self, name: str, quantity: int) -> None:
        self.let_end()
        if name not in self.open:
            self.is_closed(name, lambda: self.desk.commit(name, quantity))
            return
        held, _ = self.open[name]
        free = self.look() + held
        if quantity > max(held, free):
            self.is_refused(max(held, free), lambda: self.desk.commit(name, quantity))
            return
        made = self.desk.commit(name, quantity)
        assert made["remaining"] == str(max(0, free - quantity))
        del self.open[name]
        self.ended[name] = "committed"
        self.recorded.append((made["id"], quantity))
        REACHED["committed"] += 1

    @rule(name=holds)
    def release(self, name: str) -> None:
        self.let_end()
        if name not in self.open:
            self.is_closed(name, lambda: self.desk.release(name))
            return
        assert self.desk.release(name)["status"] == "released"
        del self.open[name]
        self.ended[name] = "released"

    def is_refused(self, remaining: int, asking: Any) -> None:
        with pytest.raises(UsageLimitExceededError) as refusal:
            asking()
        assert refusal.value.details["remaining"] == str(remaining)
        REACHED["refused"] += 1

    def is_closed(self, name: str, closing: Any) -> None:
        with pytest.raises(HoldClosedError) as refusal:
            closing()
        assert refusal.value.details["status"] == self.ended[name]

    @rule(quantity=st.integers(1, 12))
    def track(self, quantity: int) -> None:
        free = self.look()
        if quantity > free:
            self.is_refused(max(0, free), lambda: self.desk.track(quantity))
            return
        made = self.desk.track(quantity)
        self.recorded.append((made["id"], quantity))

    @rule(data=st.data())
    def arrive(self, data: st.DataObject) -> None:
        """The event of a record reaches the log, in any order."""
        waiting = [each for each in self.recorded if each not in self.desk.log.events]
        if waiting:
            self.desk.log.events.append(data.draw(st.sampled_from(waiting)))

    @rule(quantity=st.integers(1, 3))
    def come_directly(self, quantity: int) -> None:
        self.desk.log.events.append(("", quantity))
        self.direct += quantity

    @rule(seconds=st.sampled_from([0.5, 1, 3, 10, 45]))
    def wait(self, seconds: float) -> None:
        self.desk.clock.advance(timedelta(seconds=seconds))

    @invariant()
    def what_was_let_through_is_within_the_limit(self) -> None:
        assert self.used() + sum(quantity for quantity, _ in self.open.values()) <= LIMIT

    def teardown(self) -> None:
        self.let_end()
        for name, status in self.ended.items():
            assert self.desk.find(name)["status"] == status
        for name in self.open:
            assert self.desk.find(name)["status"] == "open"
        told = [subject for subject, _ in self.desk.told()]
        assert told.count("entitlement.hold.created") == len(self.open) + len(self.ended)
        assert told.count("usage.recorded") == len(self.recorded)
        committed = list(self.ended.values()).count("committed")
        assert told.count("entitlement.hold.committed") == committed


@pytest.mark.req("ENT-04")
def test_holds_are_as_a_model_says(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_desk(database)
    monkeypatch.setattr(Holds, "database", database, raising=False)
    monkeypatch.setattr(Holds, "tenant_id", first.tenant_id, raising=False)
    run_state_machine_as_test(
        Holds, settings=settings(max_examples=15, stateful_step_count=40, deadline=None)
    )
    assert sum(REACHED.values()) >= 5, REACHED
