from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import strategies as st

from tests.rating import oracle
from tests.rating.builders import price, rate_each
from tests.rating.prices.contract import PriceModelContract
from tests.rating.prices.drawing import AMOUNTS

PER_MILLION = st.integers(0, 10**15).map(
    lambda scaled: {"amount": f"{Decimal(scaled).scaleb(-6):f}", "per": "1000000"}
)


class TestPerUnit(PriceModelContract):
    name = "per_unit"
    examples = [{"amount": "0.001"}, {"amount": "0.50", "per": "1000000"}]  # noqa: RUF012 - declared ClassVar in the base
    parameters = st.one_of(AMOUNTS.map(lambda text: {"amount": text}), PER_MILLION)
    bad = [  # noqa: RUF012 - declared ClassVar in the base
        ({"per": "1000"}, "amount: missing"),
        ({"amount": "-0.1"}, "amount: must not be negative"),
        ({"amount": "NaN"}, "amount: expected a decimal"),
        ({"amount": "1", "per": "0"}, "per: must be above zero"),
        ({"amount": "1", "per": "3"}, "per: 1 / 3 has no end"),
        ({"amount": "0.0000001", "per": "1000000"}, "amount: has more than 12 decimals"),
        ({"amount": "1000000000000000"}, r"amount: must be below 10\^15"),
        ({"amount": "1", "tiers": "x"}, "tiers: unknown parameter"),
    ]

    def exact(self, quantity: Fraction, parameters: Mapping[str, Any]) -> Fraction:
        return oracle.per_unit(quantity, parameters)


@pytest.mark.parametrize(
    ("quantity", "parameters", "minor"),
    [
        # 28185 / 1000 x 0.50 = 14.0925 -> 14.09
        ("28185", {"amount": "0.50", "per": "1000"}, 1409),
        # 333 x 0.001 = 0.333 -> 0.33
        ("333", {"amount": "0.001"}, 33),
        # 0.5 x 0.01 = 0.005 -> 0.01: half away from zero
        ("0.5", {"amount": "0.01"}, 1),
        # a negative period quantity is a credit: -0.5 x 0.01 -> -0.01
        ("-0.5", {"amount": "0.01"}, -1),
    ],
)
def test_a_unit_price_bills_quantity_times_price(
    quantity: str, parameters: dict[str, str], minor: int
) -> None:
    rated = rate_each([price("per_unit", parameters)], [Decimal(quantity)])
    assert rated["amount_minor"].to_list() == [minor]


def test_a_price_per_million_is_one_exact_unit_price() -> None:
    rated = rate_each(
        [price("per_unit", {"amount": "2.50", "per": "1000000"})], [Decimal(4_000_001)]
    )
    row = rated.row(0, named=True)
    assert row["unit_amount"] == Decimal("0.0000025")
    # 4000001 x 0.0000025 = 10.0000025
    assert (row["amount_whole"], row["amount_fraction"]) == (10, Decimal("0.0000025"))
    assert row["amount_minor"] == 1000
