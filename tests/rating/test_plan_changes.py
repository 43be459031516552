"""A plan that changes within a period: the old one's rest is given back, the new one's billed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rating.deltas import credit_minor
from rating.engine import rate_period
from rating.proration import PARTS, ProrationBasis, with_shares
from tests.rating.builders import NOVEMBER, exact_amounts, lines, price, usage

DECEMBER = datetime(2023, 12, 1, tzinfo=UTC)
HALF_WAY = datetime(2023, 11, 16, tzinfo=UTC)
FEES = [price("flat", {"amount": amount}, price_id=amount) for amount in ("10", "20", "49.99")]

Part = tuple[datetime, datetime]


def shares_of(parts: list[Part], basis: ProrationBasis = "seconds") -> pl.DataFrame:
    rows = [(*part, NOVEMBER, DECEMBER, 1, "UTC", basis) for part in parts]
    frame = with_shares(pl.DataFrame(rows, schema=PARTS, orient="row"))
    return frame.select("share_numerator", "share_denominator")


def fee(amount: str, part: Part, basis: ProrationBasis = "seconds") -> pl.DataFrame:
    wanted = lines(("sub", f"fee of {amount}", None, amount))
    return rate_period(wanted.hstack(shares_of([part], basis)), usage(), FEES)


@pytest.mark.req("RAT-09")
@pytest.mark.parametrize("basis", ["seconds", "days", "fixed_30"])
@pytest.mark.parametrize(
    ("old", "new", "credit", "billed"),
    [("10", "20", 500, 1000), ("20", "10", 1000, 500)],
    ids=["upgrade", "downgrade"],
)
def test_an_upgrade_half_way_credits_5_and_bills_10(
    old: str, new: str, credit: int, billed: int, basis: ProrationBasis
) -> None:
    """The worked example: 10 were billed in advance, it is 20 from half-way on: -5, +10, net 5."""
    in_advance = fee(old, (NOVEMBER, DECEMBER), basis)["amount_minor"].item()
    rest = Fraction(*shares_of([(HALF_WAY, DECEMBER)], basis).row(0))
    given_back = credit_minor(in_advance, rest)
    charged = fee(new, (HALF_WAY, DECEMBER), basis)["amount_minor"].item()
    assert (given_back, charged, charged - given_back) == (credit, billed, billed - credit)
    # The same as the old fee for the first half and the new one for the second.
    assert in_advance - given_back + charged == 1500


@settings(max_examples=30)
@given(st.lists(st.integers(1, 30 * 86_400 * 10**6 - 1), max_size=6, unique=True).map(sorted))
def test_a_fee_in_parts_is_the_fee_and_its_credits_are_what_is_left(cuts: list[int]) -> None:
    instants = [NOVEMBER, *(NOVEMBER + timedelta(microseconds=each) for each in cuts), DECEMBER]
    parts = list(pairwise(instants))
    rated = pl.concat(fee("49.99", part) for part in parts)
    assert sum(exact_amounts(rated), Fraction(0)) == Fraction("49.99")
    credited = 0
    for start, _ in reversed(parts):
        share = Fraction(*shares_of([(start, DECEMBER)]).row(0))
        credited += credit_minor(4999, share, credited)
    assert credited == 4999


def test_a_change_splits_what_is_fixed_and_leaves_bounds_sizes_and_usage() -> None:
    """1,000 free, half-way: 500 and 500. Tiers of each price start at 0, with whole bounds.

    | part | used | free | fee | tiers | minimum |
    |---|---|---|---|---|---|
    | first half at 1.00, then 0.50 above 100 | 620 | 500 | 15 | 100 + 20 x 0.50 = 110 | 125: none |
    | second half at 2.00 | 530 | 500 | 30 | 30 x 2 = 60 | 100: 10 missing |
    """
    tiers = [{"up_to": "100", "unit_amount": "1", "flat_amount": "30"}, {"unit_amount": "0.5"}]
    old = price(
        "graduated",
        {"tiers": tiers},
        price_id="old",
        adjustments={"free_units": "1000", "minimum": "250"},
    )
    new = price(
        "graduated",
        {"tiers": [{"unit_amount": "2", "flat_amount": "60"}]},
        price_id="new",
        adjustments={"free_units": "1000", "minimum": "200"},
    )
    halves = shares_of([(NOVEMBER, HALF_WAY), (HALF_WAY, DECEMBER)])
    wanted = lines(("sub", "first", "m-1", "old"), ("sub", "second", "m-2", "new"))
    used = usage(("sub", "m-1", Decimal(620)), ("sub", "m-2", Decimal(530)))
    rated = rate_period(wanted.hstack(halves), used, [old, new])
    assert rated["quantity"].to_list() == [120, 30]
    assert rated["amount_minor"].to_list() == [11000 + 1500, 6000 + 3000]
    assert rated["true_up_minor"].to_list() == [0, 1000]


def test_a_package_that_was_begun_is_not_carried_into_another_plan() -> None:
    """40 of 100, then 40 more under a new price: one package each, of the whole size."""
    packages: dict[str, Any] = {"size": "100", "amount": "5"}
    prices = [price("package", packages, price_id=each) for each in ("old", "new")]
    wanted = lines(("sub", "first", "m-1", "old"), ("sub", "second", "m-2", "new"))
    used = usage(("sub", "m-1", Decimal(40)), ("sub", "m-2", Decimal(40)))
    halves = shares_of([(NOVEMBER, HALF_WAY), (HALF_WAY, DECEMBER)])
    rated = rate_period(wanted.hstack(halves), used, prices)
    assert rated["amount_minor"].to_list() == [500, 500]
