from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import strategies as st

from tests.rating import oracle
from tests.rating.builders import exact_amounts, price, rate_each
from tests.rating.prices.contract import PriceModelContract
from tests.rating.prices.drawing import AMOUNTS, BOUNDS, SHARES, text


@st.composite
def _tiers(draw: st.DrawFn) -> dict[str, Any]:
    tiers = []
    for bound in [*sorted(draw(st.sets(BOUNDS, max_size=5))), None]:
        wanted = draw(st.sets(st.sampled_from(["rate", "flat_amount"]), min_size=1))
        tier = {name: draw(SHARES if name == "rate" else AMOUNTS) for name in sorted(wanted)}
        tiers.append(tier if bound is None else tier | {"up_to": text(bound)})
    return {"tiers": tiers}


class TestGraduatedPercentage(PriceModelContract):
    name = "graduated_percentage"
    examples = [  # noqa: RUF012 - declared ClassVar in the base
        {"tiers": [{"up_to": "100", "rate": "1"}, {"rate": "2", "flat_amount": "3"}]},
        {"tiers": [{"rate": "0.5", "flat_amount": "1"}]},
    ]
    parameters = _tiers()
    bad = [  # noqa: RUF012 - declared ClassVar in the base
        ({}, "tiers: missing"),
        ({"tiers": [{"unit_amount": "1"}]}, r"tiers\[0\].rate: missing"),
        (
            {"tiers": [{"rate": "1", "unit_amount": "1"}]},
            r"tiers\[0\].unit_amount: unknown parameter",
        ),
        ({"tiers": [{"rate": "0.00000000001"}]}, r"tiers\[0\].rate: has more than 10 decimals"),
        ({"tiers": [{"rate": "1", "up_to": "1"}]}, r"tiers\[0\].up_to: the last tier must be open"),
    ]

    def exact(self, quantity: Fraction, parameters: Mapping[str, Any]) -> Fraction:
        return oracle.graduated_percentage(quantity, parameters)


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        ("100", "1"),
        ("100.000000000001", "1.00000000000002"),  # the next unit does not begin at 101
        ("101", "1.02"),  # 1 in the second tier, not 2
        ("200", "3"),
    ],
)
def test_tiers_that_meet_at_a_bound_count_nothing_twice(value: str, amount: str) -> None:
    tiers = {"tiers": [{"up_to": "100", "rate": "1"}, {"rate": "2"}]}
    rated = rate_each([price("graduated_percentage", tiers)], [Decimal(value)])
    assert exact_amounts(rated) == [Fraction(amount)]
