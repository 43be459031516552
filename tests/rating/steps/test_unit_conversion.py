from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from rating.errors import QuantityTooLargeError
from tests.rating.builders import price, rate_each


def sold(quantity: str, conversion: dict[str, Any]) -> Decimal:
    """What is priced of a quantity."""
    one = price("per_unit", {"amount": "0"}, adjustments={"unit_conversion": conversion})
    rated = rate_each([one], [Decimal(quantity)])
    assert rated["used_quantity"].item() == Decimal(quantity)
    quantity_sold: Decimal = rated["quantity"].item()
    return quantity_sold


@pytest.mark.parametrize(
    ("quantity", "up", "down", "away", "even"),
    [
        ("2700", 3, 2, 3, 3),
        ("2500", 3, 2, 3, 2),
        ("3500", 4, 3, 4, 4),
        ("2499.999999999999", 3, 2, 2, 2),
        ("0.000000000001", 1, 0, 0, 0),
        ("0", 0, 0, 0, 0),
        ("2000", 2, 2, 2, 2),
        ("-1400", -1, -1, -1, -1),  # a begun unit is not given back
        ("-1500", -1, -1, -2, -2),
    ],
)
def test_each_mode_rounds_to_whole_sold_units(
    quantity: str, up: int, down: int, away: int, even: int
) -> None:
    modes = {"up": up, "down": down, "half_away_from_zero": away, "half_even": even}
    found = {mode: sold(quantity, {"per": "1000", "round": mode}) for mode in modes}
    assert found == modes


def test_as_many_decimals_as_are_wanted_are_kept() -> None:
    third = {"per": "3", "round": "down", "decimals": 12}
    assert sold("1", third) == Decimal("0.333333333333")
    assert sold("1536", {"per": "1024", "round": "up", "decimals": 1}) == Decimal("1.5")
    assert sold("1537", {"per": "1024", "round": "up", "decimals": 1}) == Decimal("1.6")


def test_a_split_rounds_cumulatively() -> None:
    """1,400 and then 1,300 more, per 1,000 at 0.25: 2 and then 1, never 2 and 2."""
    conversion = {"unit_conversion": {"per": "1000", "round": "up"}}
    one = price("per_unit", {"amount": "0.25"}, adjustments=conversion)
    first, both = (
        rate_each([one], [Decimal(used)])["amount_minor"].item() for used in (1400, 2700)
    )
    assert (first, both - first) == (50, 25)


def test_conversion_comes_before_allowance_and_tiers() -> None:
    """48,900 per 500 are 98 sold units: 10 free, 88 at 0.25."""
    adjustments = {"unit_conversion": {"per": "500", "round": "up"}, "free_units": "10"}
    tiers = {"tiers": [{"up_to": "88", "unit_amount": "0.25"}, {"unit_amount": "100"}]}
    one = price("graduated", tiers, adjustments=adjustments)
    assert rate_each([one], [Decimal(48900)])["amount_minor"].item() == 2200


def test_each_group_is_rounded_for_itself() -> None:
    conversion = {"unit_conversion": {"per": "100", "round": "up"}}
    one = price("per_unit", {"amount": "1", "group_by": ["region"]}, adjustments=conversion)
    used = {'["eu"]': Decimal(40), '["us"]': Decimal(40)}
    assert rate_each([one], [used])["quantity"].item() == 2


def test_a_converted_quantity_of_26_digits_is_the_limit() -> None:
    conversion = {"per": "0.001", "round": "up"}
    nines = "9" * 23
    assert sold(nines, conversion) == Decimal(f"{nines}000")
    for quantity in ("1" + "0" * 23, "9" * 26):
        with pytest.raises(QuantityTooLargeError, match="sub-0000"):
            sold(quantity, conversion)
