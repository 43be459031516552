from __future__ import annotations

from decimal import Decimal

from tests.rating.builders import price, rate_each


def test_each_group_has_its_own() -> None:
    grouped = {"amount": "1", "group_by": ["region"]}
    one = price("per_unit", grouped, adjustments={"free_units_per_group": "100"})
    used = {'["eu"]': Decimal(150), '["us"]': Decimal(80)}
    assert rate_each([one], [used])["amount_minor"].item() == 5000


def test_what_is_shared_comes_after_it() -> None:
    """100 each, then 30 shared: of eu 150 20 are left, of us 120 all 20, as eu came first."""
    adjustments = {"free_units_per_group": "100", "free_units": "30"}
    grouped = {"amount": "1", "group_by": ["region"]}
    one = price("per_unit", grouped, adjustments=adjustments)
    used = {'["us"]': Decimal(120), '["eu"]': Decimal(150)}
    assert rate_each([one], [used])["amount_minor"].item() == 4000


def test_one_quantity_is_one_group() -> None:
    one = price("per_unit", {"amount": "1"}, adjustments={"free_units_per_group": "10"})
    assert rate_each([one], [Decimal(12)])["amount_minor"].item() == 200
