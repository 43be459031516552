"""What a line may say of its timing and its own cycle."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from catalog.plan_terms import PlanTerms, RateCard
from catalog.prices import PriceTerms, price_terms
from core.calendar.intervals import Interval
from core.errors import ValidationError
from core.ids import MeterId
from core.money import Currency

FLAT = price_terms("flat", "EUR", {"amount": "10"})
USAGE = price_terms("per_unit", "EUR", {"amount": "1"})
PERCENT = price_terms("percent_of_lines", "EUR", {"percent": "3", "lines": ["fee*"]})
MONTHLY, YEARLY = Interval("month"), Interval("year")


@pytest.mark.parametrize(
    ("price", "field", "said"),
    [
        (USAGE, "timing", {"meter_id": MeterId(UUID(int=1)), "timing": "in_advance"}),
        (PERCENT, "timing", {"timing": "in_advance"}),
        (PERCENT, "every", {"every": YEARLY}),
        (FLAT, "every", {"cadence": MONTHLY, "every": Interval("week", 2)}),
        (FLAT, "every", {"cadence": YEARLY, "every": MONTHLY}),
    ],
)
def test_what_a_line_cannot_say_names_its_field(
    price: PriceTerms, field: str, said: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError, match=f"^{field}: ") as refused:
        RateCard("x", "X", price, **said)
    assert refused.value.details["field"] == field


def test_no_percentage_is_of_what_is_not_billed_with_it() -> None:
    early = RateCard("fee-early", "Fee", FLAT, timing="in_advance")
    with pytest.raises(ValidationError, match="'fee-early' is billed in advance"):
        PlanTerms(Currency("EUR"), (early, RateCard("support", "Support", PERCENT)))


def test_fees_of_longer_cycles_are_advertised_beside_the_period() -> None:
    license_ = RateCard("license", "License", FLAT, every=YEARLY, timing="in_advance")
    plan = PlanTerms(Currency("EUR"), (RateCard("fee", "Fee", FLAT), license_))
    ten = {"amount": "10", "currency": "EUR"}
    assert plan.advertised() == {"monthly": ten | {"every": {"yearly": ten}}}


def test_a_cycle_that_is_the_cadence_says_nothing() -> None:
    plain = RateCard("fee", "Fee", FLAT, cadence=YEARLY)
    assert RateCard("fee", "Fee", FLAT, cadence=YEARLY, every=Interval("month", 12)) == plain


@pytest.mark.parametrize(
    ("longer", "shorter", "whole"),
    [
        ("yearly", "monthly", True),
        ("yearly", "every 5 months", False),
        ("every 2 weeks", "daily", True),
        ("every 10 days", "weekly", False),
        ("monthly", "weekly", False),
        ("monthly", "yearly", False),
    ],
)
def test_a_cycle_is_a_multiple_of_another_or_not(longer: str, shorter: str, whole: bool) -> None:
    assert Interval.parse(longer).is_multiple_of(Interval.parse(shorter)) is whole
