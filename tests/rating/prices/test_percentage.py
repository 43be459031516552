from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import strategies as st

from tests.rating import event_oracle
from tests.rating.builders import exact_amounts, price
from tests.rating.events import Event, rate_events, values
from tests.rating.prices.drawing import AMOUNTS, SHARES, SIZES
from tests.rating.prices.event_contract import EventModelContract


def _bounded(drawn: dict[str, Any]) -> dict[str, Any]:
    if {"minimum", "maximum"} <= set(drawn):
        bounds = sorted((drawn["minimum"], drawn["maximum"]), key=Fraction)
        drawn = drawn | {"minimum": bounds[0], "maximum": bounds[1]}
    return drawn


class TestPercentage(EventModelContract):
    name = "percentage"
    examples = [  # noqa: RUF012 - declared ClassVar in the base
        {"rate": "0.5"},
        {"rate": "1", "fixed": "0.2", "free_events": 3, "free_amount": "500"},
        {"rate": "1", "fixed": "0.2", "free_events": 3, "minimum": "0.5", "maximum": "2"},
        {"rate": "30", "unit_amount": "0.02", "free_amount": "700", "maximum": "1.5"},
    ]
    parameters = st.fixed_dictionaries(
        {"rate": SHARES},
        optional={
            "fixed": AMOUNTS,
            "minimum": AMOUNTS,
            "maximum": AMOUNTS,
            "free_events": st.integers(1, 6),
            "free_amount": SIZES,
            "unit_amount": st.integers(0, 100).map(str),
        },
    ).map(_bounded)
    bad = [  # noqa: RUF012 - declared ClassVar in the base
        ({}, "rate: missing"),
        ({"rate": "-1"}, "rate: must not be negative"),
        ({"rate": "0.12345678901"}, "rate: has more than 10 decimals"),
        ({"rate": "0.0000000001", "unit_amount": "0.5"}, "rate: has more than 12 decimals"),
        (
            {"rate": "999999999999999", "unit_amount": "1000"},
            r"rate: must be below 10\^15 with unit_amount",
        ),
        ({"rate": "1", "minimum": "2", "maximum": "1"}, "minimum: is above the maximum"),
        ({"rate": "1", "free_events": 0}, "free_events: give a whole number from 1"),
        ({"rate": "1", "free_events": "3"}, "free_events: give a whole number from 1"),
        ({"rate": "1", "groups": []}, "groups: unknown parameter"),
    ]

    def costs(self, events: Sequence[Event], parameters: dict[str, Any]) -> list[Fraction]:
        return event_oracle.percentage([event.units for event in events], parameters)


FREE = {"rate": "1", "fixed": "0.2", "free_events": 3, "free_amount": "100"}


@pytest.mark.parametrize(
    "bounds", [{}, {"minimum": "0"}, {"maximum": "1000"}, {"minimum": "0", "maximum": "1000"}]
)
@pytest.mark.parametrize(
    ("happened", "amount"),
    [
        # Three free events end the free part before the amount of 100 does: 10 x 1 % + 0.2.
        (["10"] * 4, "0.3"),
        # The amount ends it first: 30 over 100 at the third event, x 1 % + 0.2.
        (["50", "40", "40"], "0.5"),
        # Reached exactly: still free.
        (["50", "40", "10"], "0"),
        ([], "0"),
    ],
)
def test_the_rule_is_the_same_with_and_without_bounds(
    bounds: dict[str, str], happened: list[str], amount: str
) -> None:
    rated = rate_events([price("percentage", FREE | bounds)], [values(*happened)])
    assert exact_amounts(rated) == [Fraction(amount)]


def test_events_below_half_a_cent_are_billed_by_their_sum() -> None:
    # 1,000 events of 0.1 at 1 % are 0.001 each, which rounds to nothing; together they are 1.
    rated = rate_events([price("percentage", {"rate": "1"})], [values(*["0.1"] * 1000)])
    assert rated["amount_minor"].to_list() == [100]


def test_units_then_percent() -> None:
    # 1,000 units worth 0.02 each, 30 % of it: 6; and as one unit price it is 0.006.
    rated = rate_events(
        [price("percentage", {"rate": "30", "unit_amount": "0.02"})], [values("400", "600")]
    )
    assert exact_amounts(rated) == [Fraction(6)]
    assert rated["unit_amount"].to_list() == [Decimal("0.006")]


def test_what_is_given_back_takes_back_what_it_cost() -> None:
    # 150 with 100 free: 50 paid. 120 back: 50 were paid, 70 were free and are free again.
    free = price("percentage", {"rate": "10", "free_amount": "100"})
    assert exact_amounts(rate_events([free], [values("150", "-120")])) == [0]
    assert exact_amounts(rate_events([free], [values("150", "-120", "80")])) == [1]
    # A credit has no fixed amount and no minimum; its maximum is the mirror.
    bounded = price("percentage", {"rate": "10", "fixed": "1", "minimum": "2", "maximum": "5"})
    assert exact_amounts(rate_events([bounded], [values("-10")])) == [-1]
    assert exact_amounts(rate_events([bounded], [values("-1000")])) == [-5]
    # A transaction of 0 is one.
    assert exact_amounts(rate_events([bounded], [values("0")])) == [2]
