"""Periods in parts: the cumulative quantity is rated, and what was billed is taken off."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rating.engine import derive_period, rate_period
from tests.rating.builders import exact_amounts, inputs, price
from tests.rating.prices.drawing import tier_lists

TOKENS = {"amount": "0.001"}
STEPS = {"tiers": [{"up_to": "100", "unit_amount": "1"}, {"unit_amount": "0.5"}]}


def minor(model: str, parameters: dict[str, Any], cumulative: list[str]) -> list[int]:
    one = price(model, parameters)
    frames = inputs([one] * len(cumulative), [{"": Decimal(each)} for each in cumulative])
    return rate_period(*frames, [one])["amount_minor"].to_list()


@pytest.mark.parametrize(
    ("model", "parameters", "cumulative", "billed"),
    [
        # 0.333 -> 0.33, then 0.666 -> 0.67 less what was billed
        ("per_unit", TOKENS, ["333", "666"], [33, 34]),
        # 40 + 40 of 100: the package that was begun is carried
        ("package", {"size": "100", "amount": "5"}, ["40", "80"], [500, 0]),
        # 1,400 + 1,300 per 1,000: 2 + 1, where each part alone would begin 2
        ("package", {"size": "1000", "amount": "1"}, ["1400", "2700"], [200, 100]),
        # the tiers go on: 60, then 40 at 1 and 20 at 0.5
        ("graduated", STEPS, ["60", "120"], [6000, 5000]),
        # a volume price falls by the next tier: 100, then 75 in all
        ("volume", STEPS, ["100", "150"], [10000, -2500]),
    ],
    ids=["rounding", "package", "packages", "tiers", "falling"],
)
def test_a_part_bills_what_the_whole_so_far_is_more_than_what_was_billed(
    model: str, parameters: dict[str, Any], cumulative: list[str], billed: list[int]
) -> None:
    amounts = [0, *minor(model, parameters, cumulative)]
    assert [after - before for before, after in pairwise(amounts)] == billed


@settings(max_examples=30)
@given(
    tier_lists("unit_amount", "flat_amount"),
    st.lists(st.integers(0, 10**15), min_size=2, max_size=8).map(sorted),
)
def test_full_tiers_stay_what_they_were_when_more_is_used(
    parameters: dict[str, Any], cumulative: list[int]
) -> None:
    """Split invariance of a marginal price: more usage changes the last step and adds others."""
    one = price("graduated", parameters)
    quantities = [{"": Decimal(each).scaleb(-9)} for each in cumulative]
    wanted, used = inputs([one] * len(quantities), quantities)
    rated = rate_period(wanted, used, [one])
    steps = derive_period(wanted, used, [one])
    told = [
        steps.filter(pl.col("line_id") == line).drop("line_id").rows() for line in rated["line_id"]
    ]
    for before, after in pairwise(told):
        assert before[:-1] == after[: len(before) - 1]
        assert len(after) >= len(before)
    assert exact_amounts(rated) == sorted(exact_amounts(rated))
