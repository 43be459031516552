from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from tests.rating import oracle
from tests.rating.prices import tiered
from tests.rating.prices.contract import PriceModelContract
from tests.rating.prices.drawing import tier_lists


class TestStairstep(PriceModelContract):
    name = "stairstep"
    examples = [  # noqa: RUF012 - declared ClassVar in the base
        {"tiers": [{"up_to": "10", "flat_amount": "50"}, {"flat_amount": "200"}]},
        {"tiers": [{"flat_amount": "3"}], "group_by": ["region"], "groups": [{"region": "eu"}]},
    ]
    parameters = tier_lists("flat_amount")
    monotone = False
    bad = [  # noqa: RUF012 - declared ClassVar in the base
        *tiered.NO_TIERS,
        ({"tiers": [{"unit_amount": "1"}]}, r"tiers\[0\].flat_amount: missing"),
        (
            {"tiers": [{"unit_amount": "1", "flat_amount": "1"}]},
            r"tiers\[0\].unit_amount: unknown parameter",
        ),
    ]

    def exact(self, quantity: Fraction, parameters: Mapping[str, Any]) -> Fraction:
        return oracle.stairstep(quantity, parameters)
