from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import strategies as st

from rating.errors import QuantityTooLargeError
from tests.rating import oracle
from tests.rating.builders import exact_amounts, price, rate_each
from tests.rating.prices.contract import PriceModelContract
from tests.rating.prices.drawing import AMOUNTS, SIZES


class TestPackage(PriceModelContract):
    name = "package"
    examples = [  # noqa: RUF012 - declared ClassVar in the base
        {"size": "100", "amount": "5"},
        {"size": "100", "amount": "5", "free": "100"},
        {"size": "0.5", "amount": "0.005", "free": "7", "round": "down"},
    ]
    parameters = st.fixed_dictionaries(
        {"size": SIZES, "amount": AMOUNTS},
        optional={"free": SIZES, "round": st.sampled_from(["up", "down"])},
    )
    bad = [  # noqa: RUF012 - declared ClassVar in the base
        ({"amount": "5"}, "size: missing"),
        ({"size": "100"}, "amount: missing"),
        ({"size": "0", "amount": "5"}, "size: must be above zero"),
        ({"size": "100", "amount": "5", "free": "-1"}, "free: must not be negative"),
        ({"size": "100", "amount": "5", "round": "half"}, "round: use one of up, down, got"),
        ({"size": "100", "amount": "5", "groups": []}, "groups: needs group_by"),
    ]

    def exact(self, quantity: Fraction, parameters: Mapping[str, Any]) -> Fraction:
        return oracle.package(quantity, parameters)


def test_packages_that_no_quantity_can_count_are_refused_with_the_line() -> None:
    tiny = price("package", {"size": "0.000000000001", "amount": "0.000000000001"})
    # 10^14 units in packages of 10^-12 are 10^26 packages: 10^14 in money, and a digit too many.
    with pytest.raises(QuantityTooLargeError, match="sub-0000"):
        rate_each([tiny], [Decimal(10**14)])
    rated = rate_each([tiny], [Decimal(10**14) - Decimal("0.000000000001")])
    # 10^26 - 1 packages at 10^-12
    assert exact_amounts(rated) == [Fraction(10**26 - 1, 10**12)]
