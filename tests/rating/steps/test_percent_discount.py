from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from tests.rating.builders import exact_amounts, price, rate_each


@pytest.mark.parametrize(
    ("quantity", "percent", "minor", "exact"),
    [
        ("100", "10", 4500, "45"),
        ("-100", "10", -4500, "-45"),
        ("0", "10", 0, "0"),
        ("100", "0", 5000, "50"),
        ("100", "100", 0, "0"),
        ("0.1", "10", 5, "0.045"),  # half a cent, rounded with the line
        ("0.000000000001", "99.9999999999", 0, "0.0000000000000000000000005"),
    ],
)
def test_a_percentage_of_the_exact_amount_goes(
    quantity: str, percent: str, minor: int, exact: str
) -> None:
    half = price("per_unit", {"amount": "0.50"}, adjustments={"percent_discount": percent})
    rated = rate_each([half], [Decimal(quantity)])
    assert (rated["amount_minor"].item(), *exact_amounts(rated)) == (minor, Fraction(exact))
    assert rated["unit_amount"].item() is None


def test_flat_parts_are_discounted_with_the_units() -> None:
    tiers = {"tiers": [{"unit_amount": "1", "flat_amount": "10"}]}
    volume = price("volume", tiers, adjustments={"percent_discount": "20"})
    assert rate_each([volume], [Decimal(5)])["amount_minor"].item() == 1200
