from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rating.engine import derive_period, rate_period
from rating.errors import LineOrderError, RatingInputError
from rating.frames import SHARE
from rating.prices import Price
from rating.rounding import ROUNDING_MODES, RoundingMode
from rating.waves import WAVES_MAX
from tests.rating import around_oracle, oracle
from tests.rating.builders import beside_lines, exact_amounts, lines, price, usage
from tests.rating.prices.contract import CURRENCIES, GOLDEN, PriceModelContract
from tests.rating.prices.drawing import text

OWN = ["compute", "compute-eu", "seats", "storage"]
PERCENTAGES = ["support", "surcharge", "partner"]
"""Each may be of those before it."""
NAMES = [*OWN, "*", "compute*", "compute-*", "s*", "missing"]
ROWS = 10
LINES_MIN = 4
"""Lines of a subscription, at least: one line is one case."""


class TestPercentOfLines(PriceModelContract):
    name = "percent_of_lines"
    examples = [  # noqa: RUF012 - declared ClassVar in the base
        {"percent": "3", "lines": ["compute"]},
        {"percent": "9999.9999999999", "lines": ["*"]},
    ]
    parameters = st.nothing()
    takes_groups = False
    bad = [  # noqa: RUF012 - declared ClassVar in the base
        ({"lines": ["a"]}, "percent: missing"),
        ({"percent": "-1", "lines": ["a"]}, "percent: must not be negative"),
        ({"percent": "10000", "lines": ["a"]}, r"percent: must be below 10\^4"),
        ({"percent": "0.00000000001", "lines": ["a"]}, "percent: has more than 10 decimals"),
        ({"percent": "1"}, "lines: give a list of 1 to 1000 different names"),
        ({"percent": "1", "lines": []}, "lines: give a list of 1 to 1000 different names"),
        ({"percent": "1", "lines": "a"}, "lines: give a list of 1 to 1000 different names"),
        ({"percent": "1", "lines": ["a", "a"]}, "lines: give a list of 1 to 1000 different"),
        ({"percent": "1", "lines": ["*a"]}, r"lines: '\*a': write a whole key, or its beginning"),
        ({"percent": "1", "lines": [""]}, "lines: '': write a whole key"),
        ({"percent": "1", "lines": ["a"], "minimum": "1"}, "minimum: unknown parameter"),
        ({"percent": "1", "lines": ["a"], "group_by": ["b"]}, "group_by: unknown parameter"),
    ]

    def exact(self, quantity: Fraction, parameters: Mapping[str, Any]) -> Fraction:
        return oracle.percent_of_lines(quantity, parameters)

    def test_golden_amounts(self) -> None:
        cases = tomllib.loads((GOLDEN / f"{self.name}.toml").read_text(encoding="utf-8"))["case"]
        assert cases
        for case in cases:
            used = {key: Decimal(amount) for key, amount in case["used"].items()}
            rated = rate_period(*beside_lines(price(self.name, case["price"]), used))
            assert exact_amounts(rated)[-1] == Fraction(case["amount"]), case

    def test_amounts_equal_the_fraction_oracle_or_are_refused(self, rating_cases: int) -> None:
        """Whole subscriptions, percentages of percentages among them, and many in one frame."""

        @settings(max_examples=max(1, rating_cases // ROWS // LINES_MIN))
        @given(st.lists(subscriptions(), min_size=ROWS, max_size=2 * ROWS))
        def check(drawn: list[list[Line]]) -> None:
            wanted, used, prices = frames(drawn)
            rated = rate_period(wanted, used, prices)
            expected = [billed for each in drawn for billed in bill(each)]
            assert rated["amount_minor"].to_list() == [each.minor for each in expected]
            assert rated["true_up_minor"].to_list() == [each.true_up for each in expected]
            assert exact_amounts(rated) == [each.exact for each in expected]
            told = derive_period(wanted, used, prices).join(
                rated.select("line_id", "share_denominator"), on="line_id", maintain_order="left"
            )
            sums = dict.fromkeys(rated["line_id"], Fraction(0))
            for line_id, amount in zip(told["line_id"], exact_amounts(told), strict=True):
                sums[line_id] += amount
            assert list(sums.values()) == [
                each.exact + each.changes.get("minimum", 0) for each in expected
            ]
            assert told["line_id"].unique(maintain_order=True).equals(rated["line_id"])

        check()

    def test_order_and_chunks_of_the_frames_change_nothing(self, seed: int) -> None:
        del seed
        wanted, used, prices = frames([example(3), example(1), example(2)])
        rated = rate_period(wanted, used, prices)
        for cut in range(1, wanted.height):
            mixed = pl.concat([wanted[cut:], wanted[:cut]], rechunk=False)
            again = rate_period(mixed, used.reverse(), prices[::-1])
            assert again.equals(pl.concat([rated[cut:], rated[:cut]]))

    def test_more_usage_never_costs_less(self, rating_cases: int) -> None:
        @settings(max_examples=max(1, rating_cases // ROWS // 2))
        @given(st.lists(st.integers(0, 10**6), min_size=2, max_size=5), PERCENTS)
        def check(cents: list[int], percent: str) -> None:
            parameters: dict[str, Any] = {"percent": percent, "lines": ["*"]}
            drawn = [
                [
                    _line("a", "per_unit", {"amount": "0.01"}, str(each)),
                    _line("b", self.name, parameters),
                ]
                for each in sorted(cents)
            ]
            amounts = exact_amounts(rate_period(*frames(drawn)))[1::2]
            assert all(before <= after for before, after in pairwise(amounts))

        check()


@dataclass(frozen=True)
class Line:
    """A line with its price and what it used; its key and its price's parameters say the rest."""

    key: str
    model: str
    parameters: dict[str, Any]
    adjustments: dict[str, Any]
    used: Decimal
    currency: str
    mode: RoundingMode
    share: tuple[int, int]

    def chosen(self, others: list[Line]) -> list[str]:
        return [
            each.key
            for each in others
            if each.key in self.parameters["lines"]
            or any(
                name.endswith("*") and each.key.startswith(name[:-1]) and each.key in OWN
                for name in self.parameters["lines"]
            )
        ]


PERCENTS = st.one_of(
    st.integers(0, 1_000).map(str), st.integers(0, 10**11).map(lambda scaled: text(scaled * 100))
)
SMALL = st.one_of(st.integers(0, 10**15), st.integers(0, 10**6).map(lambda half: half * 5 * 10**9))


@st.composite
def subscriptions(draw: st.DrawFn) -> list[Line]:
    """Lines with prices of their own and percentages, in any order."""
    currency = draw(st.sampled_from(sorted(CURRENCIES)))
    keys = draw(st.permutations(OWN + PERCENTAGES)) if draw(st.booleans()) else OWN + PERCENTAGES
    keys = keys[draw(st.integers(0, 3)) :]
    found = []
    for key in keys:
        wanted = draw(st.sets(st.sampled_from(["maximum", "amount_discount", "minimum"])))
        adjustments = {name: draw(SMALL.map(text)) for name in sorted(wanted)}
        if {"minimum", "maximum"} <= wanted:
            adjustments["maximum"] = str(Fraction(10**6))
        whole = draw(st.integers(1, 60))
        share = (draw(st.integers(0, whole)), whole)
        model, used = "per_unit", Decimal(0)
        parameters: dict[str, Any] = {"amount": draw(SMALL.map(text))}
        if key in PERCENTAGES:
            model = "percent_of_lines"
            names = NAMES + PERCENTAGES[: PERCENTAGES.index(key)]
            chosen = draw(st.lists(st.sampled_from(names), min_size=1, max_size=4, unique=True))
            parameters = {"percent": draw(PERCENTS), "lines": chosen}
        elif draw(st.booleans()):
            model = "flat"
        else:
            used = Decimal(draw(st.integers(-(10**6), 10**9))) / 10**6
        mode = draw(st.sampled_from(ROUNDING_MODES))
        found.append(Line(key, model, parameters, adjustments, used, currency, mode, share))
    return found


def example(parts: int) -> list[Line]:
    """Lines in the order in which they are not rated."""

    return [
        _line("surcharge", "percent_of_lines", {"percent": "10", "lines": ["support", "seats"]}),
        _line("support", "percent_of_lines", {"percent": "3", "lines": ["*"]}),
        _line("compute", "per_unit", {"amount": "0.5"}, "1234.5"),
        _line("seats", "flat", {"amount": "9.99"}, share=(1, parts)),
    ]


def _line(
    key: str,
    model: str,
    parameters: dict[str, Any],
    used: str = "0",
    share: tuple[int, int] = (1, 1),
) -> Line:
    return Line(key, model, parameters, {}, Decimal(used), "EUR", "half_away_from_zero", share)


def frames(drawn: list[list[Line]]) -> tuple[pl.DataFrame, pl.DataFrame, list[Price]]:
    rows, used, prices, shares = [], [], [], []
    for number, each in enumerate(drawn):
        for line in each:
            price_id = f"{number}-{line.key}"
            meter = line.key if line.model == "per_unit" else None
            rows.append((f"sub-{number}", line.key, meter, price_id))
            shares.append(line.share)
            if meter is not None:
                used.append((f"sub-{number}", meter, line.used))
            prices.append(
                price(
                    line.model,
                    line.parameters,
                    price_id=price_id,
                    currency=line.currency,
                    mode=line.mode,
                    adjustments=line.adjustments,
                )
            )
    wanted = lines(*rows).hstack(pl.DataFrame(shares, schema=SHARE, orient="row"))
    return wanted, usage(*used), prices


def bill(subscription: list[Line]) -> list[around_oracle.Expected]:
    by_key = {line.key: line for line in subscription}
    done: dict[str, around_oracle.Expected] = {}

    def one(line: Line) -> around_oracle.Expected:
        digits = CURRENCIES[line.currency]
        share = Fraction(*line.share)
        used = Fraction(line.used)
        if line.model == "percent_of_lines":
            bills = [done_of(key) for key in line.chosen(subscription)]
            used = sum((Fraction(each.minor + each.true_up) for each in bills), Fraction(0))
            used /= 10**digits
            amount = oracle.percent_of_lines(used, line.parameters)
        elif line.model == "flat":
            amount = oracle.flat(used, line.parameters) * share
        else:
            amount = oracle.per_unit(used, line.parameters)
        said = around_oracle.for_share(line.adjustments, share)
        return around_oracle.line(used, amount, said, digits, line.mode)

    def done_of(key: str) -> around_oracle.Expected:
        if key not in done:
            done[key] = one(by_key[key])
        return done[key]

    return [done_of(line.key) for line in subscription]


def percent(key: str, *of: str) -> tuple[tuple[str, str, str | None, str], Price]:
    one = price("percent_of_lines", {"percent": "10", "lines": list(of)}, price_id=key)
    return ("sub-1", key, None, key), one


def rate(*rows: tuple[tuple[str, str, str | None, str], Price]) -> pl.DataFrame:
    return rate_period(lines(*(row for row, _ in rows)), usage(), [each for _, each in rows])


@pytest.mark.parametrize(
    ("spent", "amount", "true_up"),
    [("4000", 12000, 0), ("1000", 3000, 7000), ("0", 0, 10000), ("1000000", 1_000_000, 0)],
)
def test_support_at_3_percent_has_a_least_and_a_most(spent: str, amount: int, true_up: int) -> None:
    bounds = {"minimum": "100", "maximum": "10000"}
    support = price("percent_of_lines", {"percent": "3", "lines": ["*"]}, adjustments=bounds)
    rated = rate_period(*beside_lines(support, {"usage": Decimal(spent)}))
    assert rated.select("amount_minor", "true_up_minor").row(-1) == (amount, true_up)


def test_the_rounded_lines_and_their_true_ups_are_the_base() -> None:
    """Ten lines of 0.004 bill nothing, so that 50 % of them are nothing; a true-up is billed."""
    half = price("percent_of_lines", {"percent": "50", "lines": ["*"]})
    rated = rate_period(*beside_lines(half, {f"line-{at}": Decimal("0.004") for at in range(10)}))
    assert rated["quantity"][-1] == 0
    least = price("flat", {"amount": "80.005"}, price_id="fee", adjustments={"minimum": "100"})
    rated = rate_period(
        lines(("sub", "fee", None, "fee"), ("sub", "half", None, "price-1")), usage(), [least, half]
    )
    assert rated["true_up_minor"].to_list() == [1999, 0]
    assert (rated["quantity"][1], rated["amount_minor"][1]) == (100, 5000)


def test_other_subscriptions_and_other_periods_are_not_chosen() -> None:
    wanted, used, prices = beside_lines(percent("price-1", "*")[1], {"a": Decimal(100)})
    later = wanted.filter(line_key="line").with_columns(pl.col("period_start").dt.offset_by("1mo"))
    other = wanted.filter(line_key="line").with_columns(subscription_id=pl.lit("sub-2"))
    rated = rate_period(pl.concat([wanted, later, other]), used, prices)
    assert rated["amount_minor"].to_list() == [10000, 1000, 0, 0]


def test_lines_that_wait_for_each_other_are_refused_with_both_names() -> None:
    two = [percent("support", "surcharge"), percent("surcharge", "support", "missing")]
    with pytest.raises(LineOrderError, match=r"sub-1/\S+/support, sub-1/\S+/surcharge;") as caught:
        rate(percent("fee", "support"), *two)
    assert len(caught.value.details["lines"]) == 2  # type: ignore[arg-type]  # details hold plain objects
    with pytest.raises(LineOrderError, match=r": sub-1/\S+/support; take one"):
        rate(percent("support", "support"))


def test_a_star_chooses_no_percentage_so_that_two_may_be_of_all() -> None:
    rated = rate(percent("support", "*"), percent("surcharge", "*"))
    assert rated["amount_minor"].to_list() == [0, 0]


def test_eight_percentages_may_stand_in_a_row_and_no_more() -> None:
    row = [percent("p1", "missing")]
    row += [percent(f"p{at}", f"p{at - 1}") for at in range(2, WAVES_MAX + 2)]
    assert rate(*row[:WAVES_MAX]).height == WAVES_MAX
    with pytest.raises(LineOrderError, match=r"more than 8 percentages before them: sub-1/\S+/p9"):
        rate(*row)


def test_a_line_in_another_currency_is_refused_with_both_names() -> None:
    fee = (
        ("sub-1", "fee", None, "fee"),
        price("flat", {"amount": "1"}, price_id="fee", currency="JPY"),
    )
    with pytest.raises(RatingInputError, match=r"/support is a percentage of sub-1/\S+/fee, which"):
        rate(fee, percent("support", "fee"))


def test_the_line_shows_what_it_is_a_percentage_of() -> None:
    rated = rate_period(*beside_lines(percent("price-1", "a")[1], {"a": Decimal(4000)}))
    row = rated.row(1, named=True)
    assert (row["quantity"], row["unit_amount"], row["event_count"]) == (4000, Decimal("0.1"), 0)
