from __future__ import annotations

from decimal import Decimal

import pytest

from rating.engine import derive_period
from tests.rating.builders import inputs, price, rate_each


@pytest.mark.parametrize(
    ("quantity", "minor"), [("150", 3000), ("120", 0), ("110", 0), ("-150", -3000), ("0", 0)]
)
def test_it_comes_off_what_the_allowance_left(quantity: str, minor: int) -> None:
    adjustments = {"free_units": "100", "usage_discount": "20"}
    one = price("per_unit", {"amount": "1"}, adjustments=adjustments)
    assert rate_each([one], [Decimal(quantity)])["amount_minor"].item() == minor


def test_it_is_told_apart_from_the_allowance() -> None:
    adjustments = {"free_units": "100", "usage_discount": "20"}
    one = price("per_unit", {"amount": "1"}, adjustments=adjustments)
    told = derive_period(*inputs([one], [{"": Decimal(110)}]), [one])
    assert told.select("step", "name", "value", "units", "quantity").rows() == [
        (1, "free_units", 100, 100, 10),
        (2, "usage_discount", 20, 10, 0),
        (3, "price", None, 0, 0),
    ]
