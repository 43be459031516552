from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rating.engine import derive_period, rate_period
from rating.errors import AmountTooLargeError, RatingInputError
from rating.frames import AGREED, SHARE
from tests.rating import around_oracle, oracle
from tests.rating.builders import exact_amounts, inputs, price


def rate(
    model: str,
    parameters: dict[str, Any],
    quantity: str,
    share: tuple[int, int],
    adjustments: dict[str, Any] | None = None,
    *,
    agreed: bool = False,
) -> pl.DataFrame:
    one = price(model, parameters, adjustments=adjustments)
    wanted, used = inputs([one], [{"": Decimal(quantity)}])
    shares = pl.DataFrame([share], schema=SHARE, orient="row")
    if agreed:
        shares = shares.with_columns(pl.lit(value=True).alias(AGREED))
    return rate_period(wanted.hstack(shares), used, [one])


@pytest.mark.parametrize(
    ("amount", "share", "minor"),
    [
        ("100", (22, 29), 7586),
        ("1000", (166, 366), 45355),
        ("19.95", (8, 30), 532),
        ("100000000", (20, 28), 7142857143),  # no factor is rounded before
        ("100", (0, 29), 0),
        ("100", (29, 29), 10000),
    ],
)
def test_a_flat_fee_is_for_the_share_of_its_period(
    amount: str, share: tuple[int, int], minor: int
) -> None:
    rated = rate("flat", {"amount": amount}, "0", share)
    assert rated["amount_minor"].item() == minor
    assert exact_amounts(rated) == [Fraction(amount) * Fraction(*share)]


def test_flat_parts_are_shared_and_units_and_bounds_are_not() -> None:
    tiers = [
        {"up_to": "10", "unit_amount": "1", "flat_amount": "6"},
        {"unit_amount": "0.5", "flat_amount": "3"},
    ]
    rated = rate("graduated", {"tiers": tiers}, "20", (1, 3))
    assert rated["amount_minor"].item() == 1800  # 10 + 5 + (6 + 3) / 3


@pytest.mark.parametrize(
    ("model", "parameters", "minor"),
    [
        ("stairstep", {"tiers": [{"up_to": "5", "flat_amount": "9"}, {"flat_amount": "30"}]}, 1000),
        ("threshold_total", {"thresholds": [{"from": "7", "amount": "30"}]}, 1000),
        ("volume", {"tiers": [{"unit_amount": "2", "flat_amount": "30"}]}, 2400),
        (
            "volume_package",
            {"tiers": [{"size": "4", "unit_amount": "2", "flat_amount": "30"}]},
            1400,
        ),
        (
            "graduated_package",
            {
                "tiers": [
                    {"up_to": "4", "size": "4", "unit_amount": "2", "flat_amount": "15"},
                    {"size": "1", "unit_amount": "1", "flat_amount": "15"},
                ]
            },
            1500,
        ),
        # What a package has free is a bound of its own: whole, as all bounds.
        ("package", {"size": "1", "amount": "2", "free": "3"}, 800),
    ],
)
def test_every_kind_of_flat_part_is_shared(
    model: str, parameters: dict[str, Any], minor: int
) -> None:
    """A third of 30 is 10; seven units are seven units."""
    assert rate(model, parameters, "7", (1, 3))["amount_minor"].item() == minor


def test_the_size_that_holds_every_peak_is_shared_and_no_cell_is() -> None:
    tiers = [{"limits": {"cpu": "5"}, "flat_amount": "1"}, {"flat_amount": "30"}]
    cell = {"values": {"region": "eu"}, "unit_amount": "2"}
    prices = [
        price("capacity", {"dimension": "unit", "tiers": tiers}, price_id="size"),
        price("matrix", {"dimensions": ["region"], "cells": [cell]}, price_id="cells"),
    ]
    wanted, used = inputs(prices, [{'["cpu"]': Decimal(7)}, {'["eu"]': Decimal(7)}])
    shares = pl.DataFrame([(1, 3)] * 2, schema=SHARE, orient="row")
    rated = rate_period(wanted.hstack(shares), used, prices)
    assert rated["amount_minor"].to_list() == [1000, 1400]


def test_an_allowance_is_shared_exactly() -> None:
    """1,000 free, half-way: 500 and 500."""
    free = {"free_units": "1000"}
    half = rate("per_unit", {"amount": "1"}, "700", (1, 2), free)
    assert half["quantity"].item() == 200
    # 1,000 x 10 / 31 has no end: at 10^9 a unit, what 12 decimals would lose is more than a cent.
    rated = rate("per_unit", {"amount": "999999999999"}, "323", (10, 31), free)
    assert exact_amounts(rated) == [999999999999 * (323 - Fraction(10_000, 31))]


def test_what_is_short_of_a_package_begins_and_does_not_fill_it() -> None:
    """Of 100 + 1/3 free, what is left is a third short of 100."""
    free = {"free_units": "301"}
    amounts = [
        rate(
            "package",
            {"size": "100", "amount": "5", "round": way},
            "200.333333333334",
            (1, 3),
            free,
        )
        for way in ("up", "down")
    ]
    left = Fraction("200.333333333334") - Fraction(301, 3)
    assert 100 < left < 100 + Fraction(1, 10**12)
    assert [each["amount_minor"].item() for each in amounts] == [1000, 500]
    almost = rate(
        "package", {"size": "100", "amount": "5", "round": "down"}, "200.333333333333", (1, 3), free
    )
    assert almost["quantity"].item() == 100  # told rounded up, and priced as what it is
    assert almost["amount_minor"].item() == 0


def test_discount_maximum_and_minimum_are_for_the_share() -> None:
    per_unit = {"amount": "1"}
    assert (
        rate("per_unit", per_unit, "50", (1, 3), {"amount_discount": "10"})["amount_minor"].item()
        == 4667
    )
    assert (
        rate("per_unit", per_unit, "50", (1, 3), {"maximum": "100"})["amount_minor"].item() == 3333
    )
    trued = rate("per_unit", per_unit, "20", (1, 3), {"minimum": "100"})
    assert trued.select("amount_minor", "true_up_minor").row(0) == (2000, 1333)


def test_a_percentage_and_a_usage_discount_are_not() -> None:
    both = {"percent_discount": "10", "usage_discount": "10"}
    assert rate("per_unit", {"amount": "1"}, "50", (1, 3), both)["amount_minor"].item() == 3600


def test_the_parts_of_a_period_sum_to_the_whole_exactly() -> None:
    parts = [rate("flat", {"amount": "100"}, "0", (part, 31)) for part in (7, 11, 13)]
    assert sum(exact_amounts(pl.concat(parts)), Fraction(0)) == 100


def test_the_share_is_told_as_a_step_of_its_own() -> None:
    one = price("flat", {"amount": "90"})
    wanted, used = inputs([one], [{}])
    shares = pl.DataFrame([(1, 3)], schema=SHARE, orient="row")
    told = derive_period(wanted.hstack(shares), used, [one])
    rows = told.select("step", "name", "amount_whole").rows()
    assert rows == [(1, "price", 90), (2, "share", -60)]


@pytest.mark.parametrize(
    "share",
    [(-1, 3), (4, 3), (0, 0), (0, -1), (-2, -3), (1, 10**15), (None, 3), (1, None)],
    ids=str,
)
def test_what_is_no_share_is_refused(share: tuple[Any, Any]) -> None:
    with pytest.raises(RatingInputError, match="lines: "):
        rate("flat", {"amount": "1"}, "0", share)


def test_the_finest_share_is_taken() -> None:
    most = 10**15 - 1
    rated = rate("flat", {"amount": "999999999999999"}, "0", (most - 1, most))
    assert exact_amounts(rated) == [Fraction(999999999999999) * Fraction(most - 1, most)]
    assert rated["amount_minor"].item() == 99999999999999800  # less exactly 1


@pytest.mark.parametrize(
    "half",
    [
        {"share_numerator": pl.lit(1, pl.Int64)},
        {"share_denominator": pl.lit(1, pl.Int64)},
        {"share_numerator": pl.lit(1, pl.Int64), "share_denominator": pl.lit(2.0)},
        {"share_numerator": pl.lit(1, pl.Int32), "share_denominator": pl.lit(2, pl.Int64)},
    ],
    ids=["no denominator", "no numerator", "a binary fraction", "another width"],
)
def test_what_is_not_two_whole_numbers_is_refused(half: dict[str, pl.Expr]) -> None:
    one = price("flat", {"amount": "1"})
    wanted, used = inputs([one], [{}])
    with pytest.raises(RatingInputError, match="a share needs"):
        rate_period(wanted.with_columns(**half), used, [one])


def test_flat_parts_that_reach_the_limit_are_refused_although_credits_cancel_them() -> None:
    """They are worked out as fractions of their own."""
    tiers = [{"up_to": str(at), "flat_amount": "9" * 15} for at in range(1, 800)]
    parameters = {"tiers": [*tiers, {"unit_amount": "1"}], "group_by": ["region"]}
    flats = price("graduated", parameters, currency="JPY")
    shares = pl.DataFrame([(1, 2)], schema=SHARE, orient="row")
    few = {f'["{at}"]': Decimal(800) for at in range(2)}
    wanted, used = inputs([flats], [few | {'["credit"]': Decimal(-(10**17) * 8)}])
    with pytest.raises(AmountTooLargeError, match="sub-0000"):
        rate_period(wanted.hstack(shares), used, [flats])
    one_group, used = inputs([flats], [{'["0"]': Decimal(800)}])
    rated = rate_period(one_group.hstack(shares), used, [flats])
    assert exact_amounts(rated) == [1 + Fraction(799 * (10**15 - 1), 2)]


_STEPS = [
    {"up_to": "10", "unit_amount": "1.5", "flat_amount": "6"},
    {"unit_amount": "0.333", "flat_amount": "3"},
]
_MODELS: dict[str, dict[str, Any]] = {
    "per_unit": {"amount": "20.007"},
    "package": {"size": "3", "amount": "7"},
    "graduated": {"tiers": _STEPS},
    "volume": {"tiers": _STEPS},
    "stairstep": {"tiers": [{"up_to": "5", "flat_amount": "9"}, {"flat_amount": "30"}]},
    "cost_plus": {"margin": "17.5"},
}


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(_MODELS)),
    st.decimals(0, 1000, places=3),
    st.integers(1, 10**14).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.fixed_dictionaries(
        {},
        optional={
            "free_units": st.sampled_from(["4", "7.5"]),
            "percent_discount": st.just("12.5"),
            "amount_discount": st.just("3"),
            "maximum": st.just("40"),
            "minimum": st.just("35"),
        },
    ),
)
def test_all_of_an_agreed_quantity_is_for_the_share(
    model: str, quantity: Decimal, share: tuple[int, int], adjustments: dict[str, Any]
) -> None:
    """Five seats for half a month are half of what five seats cost, free ones taken off before."""
    rated = rate(model, _MODELS[model], str(quantity), share, adjustments, agreed=True)
    part = Fraction(*share)
    units = around_oracle.priced({"": Fraction(quantity)}, adjustments)[""]
    amount = getattr(oracle, model)(units, _MODELS[model]) * part
    around = {
        name: said if name == "percent_discount" else Fraction(said) * part
        for name, said in adjustments.items()
        if name != "free_units"
    }
    expected = around_oracle.line(Fraction(quantity), amount, around, 2, "half_away_from_zero")
    assert exact_amounts(rated) == [expected.exact]
    assert rated.select("amount_minor", "true_up_minor").row(0) == (
        expected.minor,
        expected.true_up,
    )
    assert rated["agreed"].item() is True


def test_lines_of_both_kinds_stand_beside_each_other() -> None:
    one = price("per_unit", {"amount": "20"})
    other = price("per_unit", {"amount": "20"}, price_id="other")
    wanted, used = inputs([one, other], [{"": Decimal(5)}, {"": Decimal(5)}])
    shares = pl.DataFrame([(1, 2), (1, 2)], schema=SHARE, orient="row")
    shares = shares.with_columns(pl.Series(AGREED, [True, False]))
    rated = rate_period(wanted.hstack(shares), used, [one, other])
    assert rated["amount_minor"].to_list() == [5000, 10000]
    steps = derive_period(wanted.hstack(shares), used, [one, other])
    taken = steps.filter((pl.col("name") == "share") & (pl.col("amount_whole") != 0))
    assert taken["amount_whole"].to_list() == [-50]


def test_whether_a_quantity_is_agreed_is_said_of_every_line() -> None:
    one = price("per_unit", {"amount": "20"})
    wanted, used = inputs([one], [{"": Decimal(5)}])
    for wrong in (pl.Series(AGREED, [None], dtype=pl.Boolean), pl.Series(AGREED, [1])):
        with pytest.raises(RatingInputError, match="agreed needs Booleans without nulls"):
            rate_period(wanted.with_columns(wrong), used, [one])
