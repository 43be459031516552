from __future__ import annotations

from decimal import Decimal

import pytest

from tests.rating.builders import price, rate_each


@pytest.mark.parametrize(
    ("quantity", "minor"),
    [("19", 4750), ("20", 5000), ("20.000000000001", 5000), ("1000", 5000), ("-1000", -5000)],
)
def test_a_line_stays_within_it(quantity: str, minor: int) -> None:
    capped = price("per_unit", {"amount": "2.50"}, adjustments={"maximum": "50"})
    assert rate_each([capped], [Decimal(quantity)])["amount_minor"].item() == minor


def test_discounts_come_before_it() -> None:
    both = {"percent_discount": "50", "maximum": "50"}
    one = price("per_unit", {"amount": "1"}, adjustments=both)
    assert rate_each([one], [Decimal(90)])["amount_minor"].item() == 4500  # not half of 50


def test_it_holds_for_the_sum_of_all_groups() -> None:
    grouped = {"amount": "1", "group_by": ["region"]}
    one = price("per_unit", grouped, adjustments={"maximum": "50"})
    used = {'["eu"]': Decimal(40), '["us"]': Decimal(40)}
    assert rate_each([one], [used])["amount_minor"].item() == 5000


def test_a_maximum_of_zero_bills_nothing() -> None:
    one = price("per_unit", {"amount": "1"}, adjustments={"maximum": "0"})
    assert rate_each([one], [Decimal(9)])["amount_minor"].item() == 0
