from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tests.rating import oracle
from tests.rating.builders import price, rate_each
from tests.rating.prices.contract import PriceModelContract
from tests.rating.prices.drawing import AMOUNTS


class TestFlat(PriceModelContract):
    name = "flat"
    examples = [{"amount": "49.00"}, {"amount": "0"}]  # noqa: RUF012 - declared ClassVar in the base
    parameters = AMOUNTS.map(lambda amount: {"amount": amount})
    takes_groups = False
    bad = [  # noqa: RUF012 - declared ClassVar in the base
        ({}, "amount: missing"),
        ({"amount": "-1"}, "amount: must not be negative"),
        ({"amount": "1e3"}, "amount: expected a decimal"),
        ({"amount": "1,50"}, "amount: expected a decimal"),
        ({"amount": True}, "amount: expected a decimal"),
        ({"amount": "1.0000000000001"}, "amount: has more than 12 decimals"),
        ({"amount": "1000000000000000"}, r"amount: must be below 10\^15"),
        ({"amount": "1", "per": "2"}, "per: unknown parameter; known here: amount"),
    ]

    def exact(self, quantity: Fraction, parameters: Mapping[str, Any]) -> Fraction:
        return oracle.flat(quantity, parameters)


def test_a_flat_price_bills_one_at_its_amount_whatever_was_used() -> None:
    rated = rate_each([price("flat", {"amount": "49.00"})], [Decimal(123)])
    row = rated.row(0, named=True)
    assert (row["quantity"], row["unit_amount"]) == (Decimal(1), Decimal("49.00"))
    assert (row["amount_minor"], row["event_count"]) == (4900, 0)
