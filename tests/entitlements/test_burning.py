"""Limits and grants, used up unit by unit by an oracle that imports nothing of what it checks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from core.period import Period
from entitlements.burning import Burnt, Stretch, burn
from tests.entitlements.made import grant

ZERO = datetime(2026, 1, 1, tzinfo=UTC)
HOURS_OF_WINDOW = 4

Given = tuple[int, int, int, int]
"""Quantity, priority, first hour, hour after the last."""


def at(hour: int) -> datetime:
    return ZERO + timedelta(hours=hour)


def oracle(uses: list[int], limits: list[int], grants: list[Given]) -> tuple[int, int, int]:
    """used, granted and room after the last hour: one unit at a time, hour by hour."""
    left = [quantity for quantity, *_ in grants]
    order = sorted(range(len(grants)), key=lambda n: (grants[n][1], grants[n][3], n))
    used = covered = 0
    for hour, use in enumerate(uses):
        if hour % HOURS_OF_WINDOW == 0:
            used = covered = 0
        used += min(0, use)
        for _ in range(max(use, 0)):
            used += 1
            if used <= limits[hour] + covered:
                continue
            for number in order:
                _, _, start, end = grants[number]
                if start <= hour < end and left[number]:
                    left[number] -= 1
                    covered += 1
                    break
    last = len(uses) - 1
    still = sum(left[n] for n, (_, _, start, end) in enumerate(grants) if start <= last < end)
    return used, covered + still, max(0, limits[last] + covered - used) + still


def burnt(uses: list[int], limits: list[int], grants: list[Given]) -> Burnt:
    stretches = []
    for hour, (use, limit) in enumerate(zip(uses, limits, strict=True)):
        first = hour - hour % HOURS_OF_WINDOW
        window = Period(at(first), at(first + HOURS_OF_WINDOW))
        stretches.append(
            Stretch(Period(at(hour), at(hour + 1)), window, Decimal(limit), Decimal(use))
        )
    made = [
        grant(quantity, at(start), at(end), priority, number)
        for number, (quantity, priority, start, end) in enumerate(grants)
    ]
    return burn(stretches, made, at(len(uses) - 1))


_HOURS = st.integers(1, 10)


@settings(max_examples=400)
@given(
    st.lists(st.tuples(st.integers(-5, 12), st.integers(0, 15)), min_size=1, max_size=10),
    st.lists(
        st.tuples(st.integers(1, 15), st.integers(0, 2), st.integers(0, 9), _HOURS), max_size=4
    ),
)
def test_they_are_used_as_an_oracle_uses_them(
    hours: list[tuple[int, int]], drawn: list[tuple[int, int, int, int]]
) -> None:
    uses, limits = [use for use, _ in hours], [limit for _, limit in hours]
    grants = [(quantity, rank, start, start + length) for quantity, rank, start, length in drawn]
    used, granted, room = oracle(uses, limits, grants)
    assert burnt(uses, limits, grants) == Burnt(Decimal(used), Decimal(granted), Decimal(room))


def test_the_limit_first_then_grants_by_priority_and_expiry() -> None:
    # 14 used of 10: 4 from the grant with priority 1, though the other one ends first.
    grants = [(5, 2, 0, 3), (5, 1, 0, 8)]
    assert burnt([14], [10], grants) == Burnt(Decimal(14), Decimal(10), Decimal(6))
    # In the next window 1 is left of that one: 12 used of 10 takes it, and one of the other.
    assert oracle([14, 0, 0, 0, 12], [10] * 5, grants) == (12, 1, 0)
    assert burnt([14, 0, 0, 0, 12], [10] * 5, grants) == Burnt(Decimal(12), Decimal(1), Decimal(0))


def test_what_is_left_of_a_grant_goes_with_its_end() -> None:
    one = [(5, 1, 0, 2)]
    assert burnt([12, 0], [10, 10], one).room == 3
    assert burnt([12, 0, 0], [10, 10, 10], one) == Burnt(Decimal(12), Decimal(2), Decimal(0))


def test_what_a_limit_allowed_is_not_taken_from_grants_when_it_falls() -> None:
    assert burnt([8, 0], [10, 4], [(5, 1, 0, 9)]).room == 5
    assert burnt([8, 1], [10, 4], [(5, 1, 0, 9)]).room == 4


def test_without_end_nothing_is_used_of_grants() -> None:
    window = Period(at(0), at(4))
    stretches = [Stretch(window, window, None, Decimal(10**20))]
    found = burn(stretches, [grant(5, at(0), at(9))], at(1))
    assert found == Burnt(Decimal(10**20), Decimal(5), None)
    assert UUID(int=301) == grant(5, at(0), at(9)).id
