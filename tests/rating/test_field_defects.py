"""Worked numbers of the field, and what others get wrong: `docs/explanation/field-defects.md`."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl
import pytest

from rating.deltas import delta_minor
from rating.engine import rate_period
from rating.frames import SHARE
from tests.rating import oracle
from tests.rating.builders import exact_amounts, inputs, price, rate_each
from tests.sources import ROOT

Parameters = dict[str, Any]
SEVEN = {
    "tiers": [
        {"up_to": "5", "unit_amount": "7"},
        {"up_to": "10", "unit_amount": "6.5"},
        {"unit_amount": "6"},
    ]
}
ORACLES = {
    "flat": oracle.flat,
    "package": oracle.package,
    "graduated": oracle.graduated,
    "volume": oracle.volume,
}


@pytest.mark.req("RAT-05")
@pytest.mark.parametrize(
    ("model", "parameters", "quantity", "minor"),
    [
        ("flat", {"amount": "49"}, "123", 4900),
        ("graduated", SEVEN, "20", 12750),
        ("graduated", SEVEN, "0", 0),
        ("volume", SEVEN, "5", 3500),
        ("volume", SEVEN, "6", 3900),
        ("volume", SEVEN, "20", 12000),
        ("package", {"size": "60", "amount": "10"}, "150", 3000),
        ("package", {"size": "60", "amount": "10", "round": "down"}, "150", 2000),
        ("package", {"size": "100", "amount": "5", "free": "100"}, "201", 1000),
        ("package", {"size": "100", "amount": "5", "free": "100"}, "99", 0),
        # Once over the allowance, all units are priced.
        (
            "volume",
            {"tiers": [{"up_to": "50", "unit_amount": "0"}, {"unit_amount": "0.10"}]},
            "51",
            510,
        ),
        # A fee with 1,000 included, then 0.04.
        (
            "graduated",
            {"tiers": [{"up_to": "1000", "flat_amount": "100"}, {"unit_amount": "0.04"}]},
            "1500",
            12000,
        ),
        # Flat parts of every tier entered: 0, 200, 100.
        (
            "graduated",
            {
                "tiers": [
                    {"up_to": "3", "flat_amount": "0"},
                    {"up_to": "8", "flat_amount": "200"},
                    {"flat_amount": "100"},
                ]
            },
            "8.5",
            30000,
        ),
        # 52,900 GB-months over 1 TB, 49 TB and the rest: 143.36 + 6,272 + 187.
        (
            "graduated",
            {
                "tiers": [
                    {"up_to": "1024", "unit_amount": "0.14"},
                    {"up_to": "51200", "unit_amount": "0.125"},
                    {"unit_amount": "0.11"},
                ]
            },
            "52900",
            660236,
        ),
        # No discount on what is spent up to 1,000, 20 % on the rest.
        (
            "graduated",
            {"tiers": [{"up_to": "1000", "unit_amount": "1"}, {"unit_amount": "0.8"}]},
            "1500",
            140000,
        ),
        # Tiers "1-10" and "11-": 10 is in the first, 10.5 partly in the second, nothing is between.
        (
            "graduated",
            {"tiers": [{"up_to": "10", "unit_amount": "1"}, {"unit_amount": "2"}]},
            "10.5",
            1100,
        ),
        (
            "volume",
            {"tiers": [{"up_to": "100", "unit_amount": "1"}, {"unit_amount": "0.5"}]},
            "99.5",
            9950,
        ),
        (
            "volume",
            {"tiers": [{"up_to": "100", "unit_amount": "1"}, {"unit_amount": "0.5"}]},
            "100.5",
            5025,
        ),
    ],
)
def test_flat_package_graduated_and_volume_prices_equal_the_definitions_and_the_oracle(
    model: str, parameters: Parameters, quantity: str, minor: int
) -> None:
    rated = rate_each([price(model, parameters)], [Decimal(quantity)])
    assert rated["amount_minor"].to_list() == [minor]
    assert exact_amounts(rated) == [ORACLES[model](Fraction(quantity), parameters)]


@pytest.mark.req("RAT-08")
def test_crossing_a_volume_step_changes_the_rate_of_all_units() -> None:
    steps = ["0.000000000001", "5", "5.000000000001", "10", "10.000000000001"]
    one = price("volume", SEVEN)
    rated = pl.concat(rate_each([one], [Decimal(each)]) for each in steps)
    rates = [Fraction(7), Fraction(7), Fraction("6.5"), Fraction("6.5"), Fraction(6)]
    assert rated["unit_amount"].to_list() == rates
    assert exact_amounts(rated) == [
        rate * Fraction(each) for rate, each in zip(rates, steps, strict=True)
    ]


@pytest.mark.parametrize(
    ("model", "parameters", "adjustments", "used", "minor"),
    [
        # A use of 1,000 at 0.02, of which 30 % is billed.
        ("per_unit", {"amount": "0.02"}, {"percent_discount": "70"}, {"": "1000"}, 600),
        # Used all of a month of 744 hours at 1, .8, .6, .4 a quarter: 30 % off; half of it: 10 %.
        ("graduated", "sustained", {}, {"": "744"}, 52080),
        ("graduated", "sustained", {}, {"": "372"}, 33480),
        # One allowance for all cells, in the order of their text, then the price of the cell.
        ("matrix", "cells", {"free_units": "12"}, {'["eu"]': "10", '["us"]': "4"}, 50),
        # Three kinds of work in one unit: 245 x 1 + 5 x 2 + 120 x 3.
        ("matrix", "tokens", {}, {'["a"]': "245", '["b"]': "5", '["c"]': "120"}, 61500),
    ],
)
def test_other_worked_numbers_of_the_field(
    model: str,
    parameters: Parameters | str,
    adjustments: Parameters,
    used: dict[str, str],
    minor: int,
) -> None:
    if isinstance(parameters, str):
        parameters = NAMED[parameters]
    one = price(model, parameters, adjustments=adjustments)
    quantities = {group: Decimal(quantity) for group, quantity in used.items()}
    assert rate_each([one], [quantities])["amount_minor"].to_list() == [minor]


def cells(dimension: str, **prices: str) -> Parameters:
    listed = [
        {"values": {dimension: value}, "unit_amount": amount} for value, amount in prices.items()
    ]
    return {"dimensions": [dimension], "cells": listed}


NAMED: dict[str, Parameters] = {
    "sustained": {
        "tiers": [
            {"up_to": "186", "unit_amount": "1"},
            {"up_to": "372", "unit_amount": "0.8"},
            {"up_to": "558", "unit_amount": "0.6"},
            {"unit_amount": "0.4"},
        ]
    },
    "cells": cells("region", eu="0.5", us="0.25"),
    "tokens": cells("work", a="1", b="2", c="3"),
}


class TestDefectsOfOthers:
    def test_no_unit_is_counted_twice_where_bounds_meet(self) -> None:
        # Another system adds one unit to each later tier when bounds are adjacent: 151.
        adjacent = {
            "tiers": [
                {"up_to": "50", "unit_amount": "1"},
                {"up_to": "100", "unit_amount": "1"},
                {"unit_amount": "1"},
            ]
        }
        for quantity in ("0.5", "50", "50.5", "51", "100", "101", "150"):
            rated = rate_each([price("graduated", adjacent)], [Decimal(quantity)])
            assert exact_amounts(rated) == [Fraction(quantity)]

    def test_a_package_inside_a_tier_has_its_size(self) -> None:
        # Another system takes the size of a package in a tier for a note.
        sized = {"tiers": [{"size": "100", "unit_amount": "3"}]}
        rated = rate_each([price("volume_package", sized)], [Decimal(250)])
        assert rated["amount_minor"].item() == 900

    def test_each_tier_entered_bills_its_flat_part_in_both_kinds_of_tiers(self) -> None:
        # Another system leaves the flat part of graduated tiers out.
        tiers = {
            "tiers": [
                {"up_to": "1", "unit_amount": "1", "flat_amount": "10"},
                {"unit_amount": "2", "flat_amount": "20"},
            ]
        }
        kinds = [
            rate_each([price(model, tiers)], [Decimal(3)])["amount_minor"].item()
            for model in ("graduated", "volume")
        ]
        assert kinds == [1 * 100 + 1000 + 4 * 100 + 2000, 600 + 2000]

    def test_three_minutes_at_ten_cents_are_thirty_cents(self) -> None:
        # Another system adds a binary fraction for each second: 0.3001.
        minutes = {"unit_conversion": {"per": "60", "round": "up", "decimals": 10}}
        one = price("per_unit", {"amount": "0.1"}, adjustments=minutes)
        assert exact_amounts(rate_each([one], [Decimal(180)])) == [Fraction(3, 10)]
        assert exact_amounts(rate_each([one], [Decimal(90)])) == [Fraction(15, 100)]

    def test_a_quantity_passes_through_no_binary_fraction(self) -> None:
        # Other systems take quantities, or answer amounts, as 64-bit floating point.
        one = price("per_unit", {"amount": "1"})
        for quantity in ("9007199254740993", "123456789012345.123456789012", "0.1"):
            assert exact_amounts(rate_each([one], [Decimal(quantity)])) == [Fraction(quantity)]

    def test_large_values_do_not_become_nothing(self) -> None:
        # Another system reads 10^12 and above as 0; another refuses bills of 10^12.
        one = price("per_unit", {"amount": "1"})
        for quantity in (10**12, 10**15 - 1):
            rated = rate_each([one], [Decimal(quantity)])
            assert rated["amount_minor"].item() == quantity * 100

    def test_minor_units_are_rounded_not_cut_and_credits_are_kept(self) -> None:
        # Another system cuts to minor units, and turns what is below zero into nothing.
        one = price("per_unit", {"amount": "0.019"})
        rated = [rate_each([one], [Decimal(each)])["amount_minor"].item() for each in (1, -1)]
        assert rated == [2, -2]

    def test_a_package_is_rounded_like_any_other_amount(self) -> None:
        # Another system answers the cost of a package before it is rounded.
        one = price("package", {"size": "10", "amount": "0.3335"})
        rated = rate_each([one], [Decimal(30)])
        assert exact_amounts(rated) == [Fraction("1.0005")]
        assert rated["amount_minor"].item() == 100

    def test_a_share_keeps_all_its_digits_to_the_rounding(self) -> None:
        # Two databases of one system say ...6774 and ...67741936 of 67,500 / 31, and round on.
        flat = price("flat", {"amount": "67500"})
        wanted, used = inputs([flat], [{}])
        shares = pl.DataFrame([(1, 31)], schema=SHARE, orient="row")
        rated = rate_period(wanted.hstack(shares), used, [flat])
        assert exact_amounts(rated) == [Fraction(67500, 31)]
        assert rated["amount_minor"].item() == 217742

    def test_what_is_below_half_a_cent_each_time_is_billed_when_it_sums_to_one(self) -> None:
        # Another system bills a thousand events of 0.001 in advance as nothing.
        one = price("per_unit", {"amount": "0.001"})
        totals = [each * 100 for each in range(1, 11)]
        wanted, used = inputs([one] * len(totals), [{"": Decimal(each)} for each in totals])
        billed = 0
        for amount in exact_amounts(rate_period(wanted, used, [one])):
            billed += delta_minor(amount * 100, billed)
        assert billed == 100

    def test_a_decrease_is_given_back(self) -> None:
        # Another system bills the highest value so far, and never refunds.
        one = price("per_unit", {"amount": "2"})
        wanted, used = inputs([one] * 2, [{"": Decimal(10)}, {"": Decimal(4)}])
        before, after = exact_amounts(rate_period(wanted, used, [one]))
        assert delta_minor(after * 100, int(before * 100)) == -1200

    def test_thousands_of_decimals_keep_value_scale_and_presence(self) -> None:
        # Polars lost decimals beyond 1,000 rows, shifted them in lists, and wrapped their sums.
        one = price("graduated", SEVEN)
        quantities = [Decimal(each) / 8 for each in range(3_000)]
        wanted, used = inputs([one] * len(quantities), [{"": each} for each in quantities])
        rated = rate_period(wanted, used, [one])
        assert rated["quantity"].to_list() == quantities
        assert exact_amounts(rated) == [
            oracle.graduated(Fraction(each), SEVEN) for each in quantities
        ]


PAGE = ROOT / "docs" / "explanation" / "field-defects.md"


def test_each_test_that_the_page_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE.read_text(encoding="utf-8"))
    assert len(named) >= 60
    for path, name in named:
        assert re.search(rf"def {name}\b|class {name}\b", (ROOT / path).read_text("utf-8")), name
