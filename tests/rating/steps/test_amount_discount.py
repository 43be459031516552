from __future__ import annotations

from decimal import Decimal

import pytest

from tests.rating.builders import price, rate_each


@pytest.mark.parametrize(
    ("quantity", "minor"),
    [
        ("45", 4000),
        ("5", 0),
        ("3", 0),  # the rest lapses
        ("0", 0),
        ("5.004", 0),
        ("5.005", 1),
        ("-45", -4500),  # as a flat part: none where the quantity is negative
    ],
)
def test_an_amount_goes_down_to_zero_and_not_below(quantity: str, minor: int) -> None:
    one = price("per_unit", {"amount": "1"}, adjustments={"amount_discount": "5.00"})
    assert rate_each([one], [Decimal(quantity)])["amount_minor"].item() == minor


def test_the_percentage_comes_first() -> None:
    both = {"percent_discount": "10", "amount_discount": "5"}
    one = price("per_unit", {"amount": "1"}, adjustments=both)
    assert rate_each([one], [Decimal(50)])["amount_minor"].item() == 4000  # 50 - 5 - 5, not 40.50
