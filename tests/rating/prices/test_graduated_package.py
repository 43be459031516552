from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from tests.rating import oracle
from tests.rating.prices import tiered
from tests.rating.prices.contract import PriceModelContract
from tests.rating.prices.drawing import tier_lists


class TestGraduatedPackage(PriceModelContract):
    name = "graduated_package"
    examples = tiered.SIZED_EXAMPLES
    parameters = tier_lists("unit_amount", "flat_amount", size=True)
    monotone = True
    bad = tiered.BAD_SIZES

    def exact(self, quantity: Fraction, parameters: Mapping[str, Any]) -> Fraction:
        return oracle.graduated_package(quantity, parameters)
