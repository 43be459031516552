from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from tests.rating import oracle
from tests.rating.prices.contract import PriceModelContract
from tests.rating.prices.drawing import AMOUNTS, BOUNDS, text


class TestThresholdTotal(PriceModelContract):
    name = "threshold_total"
    examples = [  # noqa: RUF012 - declared ClassVar in the base
        {"thresholds": [{"from": "100", "amount": "15"}, {"from": "200", "amount": "28"}]},
        {"thresholds": [{"from": "0", "amount": "3"}, {"from": "0.5", "amount": "2"}]},
    ]
    parameters = st.tuples(
        st.lists(BOUNDS, min_size=1, max_size=5, unique=True), st.lists(AMOUNTS, min_size=5)
    ).map(
        lambda drawn: {
            "thresholds": [
                {"from": text(start), "amount": amount}
                for start, amount in zip(sorted(drawn[0]), drawn[1], strict=False)
            ]
        }
    )
    monotone = False
    bad = [  # noqa: RUF012 - declared ClassVar in the base
        ({}, "thresholds: missing"),
        ({"thresholds": [{"amount": "1"}]}, r"thresholds\[0\].from: missing"),
        ({"thresholds": [{"from": "1"}]}, r"thresholds\[0\].amount: missing"),
        (
            {"thresholds": [{"from": "1", "amount": "1"}, {"from": "1.0", "amount": "2"}]},
            r"thresholds\[1\].from: must be above the one before",
        ),
        (
            {"thresholds": [{"from": "1", "amount": "1", "up_to": "2"}]},
            r"thresholds\[0\].up_to: unknown parameter",
        ),
    ]

    def exact(self, quantity: Fraction, parameters: Mapping[str, Any]) -> Fraction:
        return oracle.threshold_total(quantity, parameters)
