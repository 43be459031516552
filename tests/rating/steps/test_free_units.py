from __future__ import annotations

from decimal import Decimal

import pytest

from tests.rating.builders import price, rate_each


@pytest.mark.parametrize(
    ("quantity", "priced"),
    [
        ("150", "50"),
        ("100", "0"),
        ("99.5", "0"),
        ("100.000000000001", "0.000000000001"),
        ("0", "0"),
        ("-150", "-50"),  # the mirror
        ("-50", "0"),
    ],
)
def test_what_is_free_is_not_priced(quantity: str, priced: str) -> None:
    one = price("per_unit", {"amount": "2"}, adjustments={"free_units": "100"})
    rated = rate_each([one], [Decimal(quantity)])
    row = rated.select("used_quantity", "quantity", "amount_minor").row(0)
    assert row == (Decimal(quantity), Decimal(priced), round(Decimal(priced) * 200))
    assert rated["unit_amount"].item() == 2  # of what was priced


def test_it_enters_no_tier_and_begins_no_package() -> None:
    """Beyond 100 free, the first tier begins: 5 at 7, 5 at 6.5, 10 at 6 for 120 units."""
    tiers = [
        {"up_to": "5", "unit_amount": "7"},
        {"up_to": "10", "unit_amount": "6.5"},
        {"unit_amount": "6"},
    ]
    graduated = price("graduated", {"tiers": tiers}, adjustments={"free_units": "100"})
    assert rate_each([graduated], [Decimal(120)])["amount_minor"].item() == 12750
    package = price("package", {"size": "100", "amount": "5"}, adjustments={"free_units": "100"})
    assert rate_each([package], [Decimal(201)])["amount_minor"].item() == 1000


def test_all_of_a_negative_quantity_free_has_no_flat_part_and_no_minimum() -> None:
    tiers = {"tiers": [{"unit_amount": "1", "flat_amount": "10"}]}
    adjustments = {"free_units": "100", "minimum": "7"}
    one = price("graduated", tiers, adjustments=adjustments)
    bills = [
        rate_each([one], [Decimal(used)]).select("amount_minor", "true_up_minor").row(0)
        for used in (50, -50)
    ]
    assert bills == [(1000, 0), (0, 0)]


def test_groups_share_it_in_the_order_of_their_text() -> None:
    prices = [
        price(
            "per_unit",
            {"amount": "1", "group_by": ["region"]},
            price_id=f"price-{at}",
            adjustments={"free_units": "100"} if at else {},
        )
        for at in range(3)
    ]
    used = {'["us"]': Decimal(80), '["eu"]': Decimal(70), '["ap"]': Decimal(-10)}
    # Of 100, ap takes 10, eu 70, us 20; each line has its own 100, a price without it none.
    rated = rate_each(prices, [used, used, used])
    assert rated["amount_minor"].to_list() == [14000, 6000, 6000]
