"""Terms and pauses, beside a plain calendar of days that imports nothing of them."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from core.period import Period
from subscriptions.life.timeline import (
    Pause,
    Terms,
    billed,
    changed_from,
    cut,
    first_difference,
    joined,
    terms_at,
)

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 12
PLANS = [UUID(int=each) for each in range(1, 4)]
NAMES = [each.name for each in fields(Terms) if each.name not in {"start", "end"}]
Said = tuple[Any, ...]
COUNTS = st.integers(1, 2).map(Decimal)
SAID = st.tuples(
    st.sampled_from(PLANS),
    st.dictionaries(st.just("seats"), COUNTS),
    st.booleans(),
    st.dictionaries(st.just(UUID(int=9)), COUNTS),
    st.none() | st.sampled_from(["try", "ramp"]),
)
"""A plan, quantities, whether it is a trial, add-ons, a phase."""


def day(number: int) -> datetime:
    return START + timedelta(days=number)


@st.composite
def timelines(draw: st.DrawFn) -> tuple[Terms, ...]:
    """Terms over some days, with holes, maybe without end."""
    edges = sorted(draw(st.sets(st.integers(0, DAYS), max_size=6)))
    found = []
    for begin, end in zip(edges, [*edges[1:], None][: len(edges)], strict=True):
        if draw(st.booleans()):
            said = draw(SAID)
            found.append(Terms(day(begin), None if end is None else day(end), *said))
    return joined(found)


def by_day(terms: tuple[Terms, ...], days: int = DAYS + 3) -> list[Said | None]:
    """What holds on each day: everything that terms say but when."""
    found: list[Said | None] = [None] * days
    for each in terms:
        said = tuple(getattr(each, name) for name in NAMES)
        for number in range(days):
            if each.start <= day(number) and (each.end is None or day(number) < each.end):
                assert found[number] is None, "two at one time"
                found[number] = said
    return found


@given(timelines(), st.integers(0, DAYS))
def test_a_cut_keeps_what_is_before(terms: tuple[Terms, ...], at: int) -> None:
    expected = [held if number < at else None for number, held in enumerate(by_day(terms))]
    assert by_day(cut(terms, day(at))) == expected


@given(timelines(), st.integers(0, DAYS), st.sampled_from(PLANS))
def test_a_change_holds_from_its_instant_on(terms: tuple[Terms, ...], at: int, plan: UUID) -> None:
    changed = changed_from(terms, day(at), lambda each: replace(each, plan_version_id=plan))
    before = by_day(terms)
    expected = [
        (plan, *held[1:]) if number >= at and held is not None else held
        for number, held in enumerate(before)
    ]
    assert by_day(changed) == expected
    found = first_difference(terms, changed)
    differing = [number for number, held in enumerate(before) if held != expected[number]]
    assert found == (day(differing[0]) if differing else None)


@given(
    timelines(),
    st.lists(st.tuples(st.integers(0, DAYS), st.integers(1, 4) | st.none(), st.booleans())),
    st.none() | st.integers(0, DAYS),
    st.integers(0, DAYS - 1),
    st.integers(1, 5),
)
def test_what_is_billed_is_planned_not_paused_and_before_the_end(
    terms: tuple[Terms, ...],
    paused: list[tuple[int, int | None, bool]],
    end: int | None,
    first: int,
    length: int,
) -> None:
    pauses = [
        Pause(day(begin), None if days is None else day(begin + days), billing, True)
        for begin, days, billing in paused
    ]
    period = Period(day(first), day(first + length))
    found = billed(terms, pauses, None if end is None else day(end), period)
    expected = [
        held
        if first <= number < first + length
        and (end is None or number < end)
        and not any(
            billing and begin <= number and (days is None or number < begin + days)
            for begin, days, billing in paused
        )
        else None
        for number, held in enumerate(by_day(terms, DAYS + 6))
    ]
    assert by_day(found, DAYS + 6) == expected
    for each in found:
        assert each.end is not None


def test_all_that_terms_say_is_drawn() -> None:
    # In the order of `SAID`: a field that is new has to be drawn, too.
    assert NAMES == ["plan_version_id", "quantities", "trial", "addons", "phase"]


def test_terms_that_touch_and_say_the_same_are_one() -> None:
    first, second = Terms(day(0), day(2), PLANS[0]), Terms(day(2), None, PLANS[0])
    assert joined((first, second)) == (Terms(day(0), None, PLANS[0]),)
    trial = replace(first, trial=True)
    assert joined((trial, second)) == (trial, second)
    assert terms_at((trial, second), day(2)) == second
    assert terms_at((trial,), day(2)) is None
