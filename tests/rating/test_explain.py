"""Derivations as text, worked by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from rating import Price, derive_period, rate_period
from rating.explain import explain_line, plain
from tests.rating.builders import Used, inputs, price


def explained(one: Price, used: Used) -> str:
    wanted, spent = inputs([one], [used])
    [rated] = rate_period(wanted, spent, [one]).to_dicts()
    return "\n".join(explain_line(rated, derive_period(wanted, spent, [one]).to_dicts()))


def test_tiers_of_groups_are_told_one_by_one_and_amounts_stand_under_each_other() -> None:
    tiers = [
        {"up_to": "5", "unit_amount": "7"},
        {"up_to": "10", "unit_amount": "6.5", "flat_amount": "2"},
        {"unit_amount": "6"},
    ]
    one = price("graduated", {"tiers": tiers, "group_by": ["region"]})
    text = explained(one, {'["eu"]': Decimal(20), '["us"]': Decimal("1.25")})
    assert text == (
        "used                21.25\n"
        "price tier 1 of eu  5 × 7                 35\n"  # noqa: RUF001 - as it is printed
        "price tier 2 of eu  5 × 6.5 + flat 2      34.5\n"  # noqa: RUF001 - as above
        "price tier 3 of eu  10 × 6                60\n"  # noqa: RUF001 - as above
        "price tier 1 of us  1.25 × 7               8.75\n"  # noqa: RUF001 - as above
        "exact                                    138.25\n"
        "rounded             half_away_from_zero  138.25\n"
        "billed                                   138.25 EUR"
    )


def test_what_stands_around_a_price_is_told_in_the_order_of_the_steps() -> None:
    around = {
        "unit_conversion": {"per": "1000", "round": "up"},
        "free_units": "20",
        "percent_discount": "10",
        "minimum": "50",
    }
    one = price("package", {"size": "10", "amount": "5", "free": "4"}, adjustments=around)
    assert explained(one, {"": Decimal(93_200)}) == (
        "used              93200\n"
        "unit_conversion   93200 at 1000 each → 94\n"
        "free_units        20 of 20, 74 left\n"
        "price             4 free                    0\n"
        "price tier 1      70 units: 7 × 5          35\n"  # noqa: RUF001 - as it is printed
        "percent_discount  10 %                     -3.5\n"
        "exact                                      31.5\n"
        "rounded           half_away_from_zero      31.50\n"
        "minimum           50                       18.5\n"
        "billed                                     50.00 EUR"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [("1.500", "1.5"), ("0E-12", "0"), ("-0.0", "0"), ("1E+3", "1000"), ("100", "100")],
)
def test_a_decimal_has_one_plain_text(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text
