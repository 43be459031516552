from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from tests.rating import oracle
from tests.rating.prices import tiered
from tests.rating.prices.contract import PriceModelContract
from tests.rating.prices.drawing import tier_lists


class TestGraduated(PriceModelContract):
    name = "graduated"
    examples = tiered.EXAMPLES
    parameters = tier_lists("unit_amount", "flat_amount")
    monotone = True
    bad = tiered.BAD

    def exact(self, quantity: Fraction, parameters: Mapping[str, Any]) -> Fraction:
        return oracle.graduated(quantity, parameters)
