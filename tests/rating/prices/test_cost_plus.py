from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from tests.rating import oracle
from tests.rating.prices.contract import PriceModelContract
from tests.rating.prices.drawing import SHARES


class TestCostPlus(PriceModelContract):
    name = "cost_plus"
    examples = [  # noqa: RUF012 - declared ClassVar in the base
        {"margin": "25"},
        {"margin": "0"},
    ]
    parameters = SHARES.map(lambda share: {"margin": share})
    bad = [  # noqa: RUF012 - declared ClassVar in the base
        ({}, "margin: missing"),
        ({"margin": "-5"}, "margin: must not be negative"),
        ({"margin": "0.00000000001"}, "margin: has more than 10 decimals"),
        ({"margin": "1", "cost": "1"}, "cost: unknown parameter"),
    ]

    def exact(self, quantity: Fraction, parameters: Mapping[str, Any]) -> Fraction:
        return oracle.cost_plus(quantity, parameters)
