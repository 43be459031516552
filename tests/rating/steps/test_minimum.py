from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from rating.errors import AmountTooLargeError
from rating.rounding import RoundingMode
from tests.rating.builders import price, rate_each


def bill(
    quantity: str,
    adjustments: dict[str, Any],
    currency: str = "EUR",
    mode: RoundingMode = "half_away_from_zero",
) -> tuple[int, int]:
    """The line and its true-up, in minor units, at 1 a unit."""
    one = price("per_unit", {"amount": "1"}, currency=currency, mode=mode, adjustments=adjustments)
    rated = rate_each([one], [Decimal(quantity)])
    return rated["amount_minor"].item(), rated["true_up_minor"].item()


@pytest.mark.parametrize(
    ("quantity", "line", "true_up"),
    [
        ("80.005", 8001, 1999),  # in minor units, from the rounded line
        ("99.995", 10000, 0),
        ("100", 10000, 0),
        ("150", 15000, 0),
        ("0", 0, 10000),
        ("-5", -500, 0),  # no minimum for a negative quantity
    ],
)
def test_the_true_up_is_what_the_rounded_line_lacks(quantity: str, line: int, true_up: int) -> None:
    assert bill(quantity, {"minimum": "100"}) == (line, true_up)


def test_no_discount_reaches_the_true_up() -> None:
    """100 at least, used 80, 10 % off what was used: 72 and 28."""
    assert bill("80", {"minimum": "100", "percent_discount": "10"}) == (7200, 2800)


def test_late_usage_lowers_the_true_up_by_component() -> None:
    """Billed 80 + 20; usage is 110 now: +30, -20."""
    before, after = bill("80", {"minimum": "100"}), bill("110", {"minimum": "100"})
    assert before == (8000, 2000)
    assert (after[0] - before[0], after[1] - before[1]) == (3000, -2000)


@pytest.mark.parametrize(
    ("currency", "true_up"), [("JPY", 3), ("EUR", 251), ("KWD", 2505), ("CLF", 25050)]
)
def test_the_minimum_is_rounded_in_its_currency(currency: str, true_up: int) -> None:
    assert bill("0", {"minimum": "2.505"}, currency) == (0, true_up)


def test_the_minimum_is_rounded_by_the_mode_of_the_price() -> None:
    assert bill("0", {"minimum": "2.505"}, mode="down") == (0, 250)


def test_a_minimum_may_equal_the_maximum() -> None:
    assert bill("7", {"minimum": "5", "maximum": "5"}) == (500, 0)
    assert bill("3", {"minimum": "5", "maximum": "5"}) == (300, 200)


def test_a_price_apart_by_groups_is_brought_up_once_even_without_usage() -> None:
    grouped = {"amount": "1", "group_by": ["region"]}
    one = price("per_unit", grouped, adjustments={"minimum": "10"})
    used = {'["eu"]': Decimal(2), '["us"]': Decimal(3)}
    rated = rate_each([one], [used])
    assert (rated["amount_minor"].item(), rated["true_up_minor"].item()) == (500, 500)
    assert rate_each([one], [{}])["true_up_minor"].item() == 1000


def test_a_true_up_of_18_digits_is_refused_and_one_below_is_not() -> None:
    assert bill("0", {"minimum": "99999999999999.9999"}, "CLF") == (0, 10**18 - 1)
    with pytest.raises(AmountTooLargeError, match="sub-0000"):
        bill("0", {"minimum": "100000000000000"}, "CLF")


def test_the_other_lines_have_no_true_up() -> None:
    prices = [
        price("per_unit", {"amount": "1"}, price_id="a", adjustments={"minimum": "10"}),
        price("per_unit", {"amount": "1"}, price_id="b"),
    ]
    rated = rate_each(prices, [Decimal(1), Decimal(1)])
    assert rated["true_up_minor"].to_list() == [900, 0]
    assert rated["unit_amount"].to_list() == [1, 1]  # the line itself is quantity x unit amount
