"""Answers from memory are as old as they may be, and no older; never of a window that is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from catalog.features import Feature
from core.acting import Acting
from core.clock import ManualClock, monotonic_seconds
from core.errors import DependencyDownError, NotFoundError
from core.ids import FeatureId
from entitlements.given import given_at
from entitlements.measuring import Measured
from entitlements.memory import Ages, Memory, Question
from tests.entitlements.made import TENANT, facts, subscription

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
AGES = Ages(renew=0.2, fresh=1.0, stale=4.0, forget=8.0, questions_max=3)
FEATURE = Feature(FeatureId(UUID(int=7)), TENANT, "calls", "calls", "metered", None, None, None, {})


class Source:
    """Tells how often it was asked; may be away, or know nothing."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.error: Exception | None = None
        self.asked = 0
        self.lock = threading.Lock()

    def measure(self, acting: Acting, customer: str, feature: str) -> Measured:
        with self.lock:
            self.asked += 1
        assert acting.tenant_id == TENANT
        if self.error is not None:
            raise self.error
        known = facts(subscription())
        now = self.clock.now()
        given = given_at(known, feature, now)
        return Measured(replace(known.customer, slug=customer), FEATURE, None, now, given, True)


@pytest.fixture
def source() -> Source:
    return Source(ManualClock(NOW))


@pytest.fixture
def memory(source: Source) -> Iterator[Memory]:
    made = Memory(source, source.clock, AGES)
    yield made
    made.close()


def question(customer: str = "contoso") -> Question:
    return Question(TENANT, customer, "calls")


def wait_until(seconds: float, began: float) -> None:
    time.sleep(max(0.0, began + seconds - monotonic_seconds()))


@pytest.mark.req("ENT-03")
def test_what_is_asked_for_is_read_again_before_it_is_old(memory: Memory, source: Source) -> None:
    assert memory.peek(question()) is None
    memory.read(question())
    began, misses = monotonic_seconds(), 0
    while monotonic_seconds() - began < 2:
        misses += memory.peek(question()) is None
        time.sleep(0.02)
    # The machine may stand still for a while: then the answer is "not fresh", never an old one.
    assert misses < 20
    assert source.asked > 4


@pytest.mark.req("ENT-03")
def test_while_a_server_is_away_what_is_known_is_told_up_to_a_bound(
    memory: Memory, source: Source
) -> None:
    began = monotonic_seconds()
    memory.read(question())
    source.error = DependencyDownError("away")
    assert memory.peek(question()) is not None
    wait_until(1.5, began)  # what was read in the background meanwhile was read before it went
    assert memory.peek(question()) is None
    assert memory.read(question()).customer.slug == "contoso"
    wait_until(5, began)
    with pytest.raises(DependencyDownError):
        memory.read(question())
    source.error = None
    assert memory.read(question()).as_of == NOW


def test_a_window_that_is_over_is_not_told(memory: Memory, source: Source) -> None:
    memory.read(question())
    source.error = DependencyDownError("away")
    source.clock.advance(timedelta(days=30))
    assert memory.peek(question()) is None
    with pytest.raises(DependencyDownError):
        memory.read(question())


def test_memory_is_bounded_and_forgets(memory: Memory, source: Source) -> None:
    for number in range(10):
        memory.read(question(f"customer-{number}"))
    assert len(memory) == 3
    assert memory.peek(question("customer-9")) is not None
    assert memory.peek(question("customer-0")) is None
    deadline = monotonic_seconds() + 20
    while len(memory):
        assert monotonic_seconds() < deadline
        time.sleep(0.1)
    asked = source.asked
    time.sleep(0.5)
    assert source.asked == asked, "nobody asks, so nothing is read"


def test_what_is_gone_is_forgotten(memory: Memory, source: Source) -> None:
    memory.read(question())
    source.error = NotFoundError("gone")
    deadline = monotonic_seconds() + 20
    while memory.peek(question()) is not None:
        assert monotonic_seconds() < deadline
        time.sleep(0.05)
    with pytest.raises(NotFoundError):
        memory.read(question())
