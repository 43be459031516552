from __future__ import annotations

import json
import random
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import strategies as st

from rating.errors import UnpricedGroupError
from tests.rating import oracle
from tests.rating.builders import Used, group_text, price, rate_each
from tests.rating.prices.contract import PriceModelContract
from tests.rating.prices.drawing import AMOUNTS, BOUNDS, QUANTITIES, near, text

UNITS = [group_text([each]) for each in ("cpu", "seats")]


def _capacity(steps: list[tuple[int, int]], amounts: list[str]) -> dict[str, Any]:
    """Tiers whose limits rise by the steps."""
    tiers: list[dict[str, Any]] = []
    cpu = seats = 0
    for (more_cpu, more_seats), amount in zip(steps, amounts, strict=False):
        cpu, seats = cpu + more_cpu, seats + more_seats
        if max(cpu, seats) < 10**38:
            limits = {"cpu": text(cpu), "seats": text(seats)}
            tiers.append({"limits": limits, "flat_amount": amount})
    return {"dimension": "unit", "tiers": [*tiers, {"flat_amount": amounts[-1]}]}


class TestCapacity(PriceModelContract):
    name = "capacity"
    examples = [  # noqa: RUF012 - declared ClassVar in the base
        {
            "dimension": "unit",
            "tiers": [
                {"limits": {"cpu": "50", "seats": "100"}, "flat_amount": "1"},
                {"limits": {"cpu": "70", "seats": "200"}, "flat_amount": "10"},
                {"flat_amount": "100"},
            ],
        }
    ]
    parameters = st.builds(
        _capacity,
        st.lists(st.tuples(BOUNDS, BOUNDS), min_size=1, max_size=4),
        st.lists(AMOUNTS, min_size=5, max_size=5),
    )
    takes_groups = False
    monotone = False
    bad = [  # noqa: RUF012 - declared ClassVar in the base
        ({}, 'dimension: give a name such as "region"'),
        ({"dimension": "unit"}, "tiers: missing"),
        (
            {"dimension": "unit", "tiers": [{"flat_amount": "1"}]},
            r"tiers\[0\].limits: the last tier",
        ),
        (
            {"dimension": "unit", "tiers": [{"flat_amount": "1"}, {"flat_amount": "1"}]},
            r"tiers\[0\].limits: give a table",
        ),
        (
            {
                "dimension": "unit",
                "tiers": [
                    {"limits": {"a": "1"}, "flat_amount": "1"},
                    {"limits": {"b": "1"}, "flat_amount": "1"},
                    {"flat_amount": "1"},
                ],
            },
            r"tiers\[1\].limits: list the same units in each tier: a",
        ),
        (
            {
                "dimension": "unit",
                "tiers": [
                    {"limits": {"a": "2"}, "flat_amount": "1"},
                    {"limits": {"a": "2"}, "flat_amount": "1"},
                    {"flat_amount": "1"},
                ],
            },
            r"tiers\[1\].limits.a: must be above that of the tier before",
        ),
    ]

    def exact(self, quantity: Fraction, parameters: Mapping[str, Any]) -> Fraction:
        del quantity, parameters
        raise AssertionError("a capacity is for units")

    def exact_used(self, used: Used, parameters: Mapping[str, Any]) -> list[Fraction]:
        peaks = {json.loads(group)[0]: Fraction(peak) for group, peak in used.items() if group}
        return [oracle.capacity(peaks, parameters)]

    def used(self, parameters: dict[str, Any]) -> st.SearchStrategy[Used]:
        peaks = st.one_of(QUANTITIES, near(parameters)).map(Decimal.copy_abs)
        return st.dictionaries(st.sampled_from(UNITS), peaks, max_size=len(UNITS))

    def some_usage(self, parameters: Mapping[str, Any], draw: random.Random) -> Used:
        del parameters
        return {unit: Decimal(draw.randrange(5_000)) / 10 for unit in UNITS}


def test_a_unit_without_limits_is_refused_with_its_name() -> None:
    one = price("capacity", TestCapacity.examples[0])
    with pytest.raises(UnpricedGroupError, match=r'\["disk"\]; add a cell'):
        rate_each([one], [{'["cpu"]': Decimal(3), '["disk"]': Decimal(1)}])


def test_the_line_shows_the_peak_that_decides() -> None:
    one = price("capacity", TestCapacity.examples[0])
    rated = rate_each([one], [{'["cpu"]': Decimal(75), '["seats"]': Decimal(101)}])
    assert rated["quantity"].to_list() == [Decimal(75)]
