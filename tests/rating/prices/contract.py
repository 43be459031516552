"""What every price model promises, as one suite: a model's test file subclasses it."""

from __future__ import annotations

import random
import tomllib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rating.engine import derive_period, rate_period
from rating.errors import AmountTooLargeError, PriceParameterError
from rating.prices import MODELS, Price, PriceModel, model_named
from rating.rounding import ROUNDING_MODES, RoundingMode
from tests.rating.builders import (
    Used,
    dimensions_of,
    exact_amounts,
    group_text,
    inputs,
    price,
    rate_each,
)
from tests.rating.oracle import minor_units
from tests.rating.prices.drawing import GROUPS, QUANTITIES, near

GOLDEN = Path(__file__).parent / "golden"
CURRENCIES = {"JPY": 0, "EUR": 2, "KWD": 3, "CLF": 4}
ROWS_MIN = 10
"""Lines of one Hypothesis example, at least: one line is one case."""

Row = tuple[Used, dict[str, Any], str, RoundingMode]


class PriceModelContract(ABC):
    """Subclass as `TestX`; give the model's name, parameters of all sizes, and the scalar rule."""

    name: ClassVar[str]
    examples: ClassVar[list[dict[str, Any]]]
    parameters: ClassVar[st.SearchStrategy[dict[str, Any]]]
    bad: ClassVar[list[tuple[dict[str, Any], str]]]
    monotone: ClassVar[bool] = True
    """Whether more usage never costs less."""
    takes_groups: ClassVar[bool] = True
    """Whether the price may say `group_by`."""

    @abstractmethod
    def exact(self, quantity: Fraction, parameters: Mapping[str, Any]) -> Fraction:
        """The oracle: the exact amount of one quantity in currency units."""

    def exact_used(self, used: Used, parameters: Mapping[str, Any]) -> list[Fraction]:
        """The oracle's amounts of all groups."""
        listed = [group_text([each["region"]]) for each in parameters.get("groups", [])]
        quantities = {**dict.fromkeys(listed, Decimal(0)), **used}
        return [self.exact(Fraction(each), parameters) for each in quantities.values()]

    def used(self, parameters: dict[str, Any]) -> st.SearchStrategy[Used]:
        """Usage for a price: any quantity, often close to a number that the price names."""
        quantities = st.one_of(QUANTITIES, near(parameters))
        if "group_by" not in parameters:
            return quantities.map(lambda quantity: {"": quantity})
        small = quantities.filter(lambda quantity: abs(quantity) < 10**25)
        return st.dictionaries(st.sampled_from(GROUPS), small, max_size=len(GROUPS))

    @property
    def rows(self) -> st.SearchStrategy[Row]:
        """Cases: usage, parameters, currency and rounding mode."""
        parameters = self.parameters
        if self.takes_groups:
            grouping = st.sampled_from(
                [
                    {},
                    {"group_by": ["region"]},
                    {"group_by": ["region"], "groups": [{"region": "eu"}, {"region": "nowhere"}]},
                ]
            )
            parameters = st.builds(lambda own, more: own | more, parameters, grouping)
        return parameters.flatmap(
            lambda drawn: st.tuples(
                self.used(drawn),
                st.just(drawn),
                st.sampled_from(sorted(CURRENCIES)),
                st.sampled_from(ROUNDING_MODES),
            )
        )

    @property
    def model(self) -> PriceModel:
        return model_named(self.name)

    def test_the_model_is_registered_once(self) -> None:
        assert [model.name for model in MODELS].count(self.name) == 1

    def test_bad_parameters_are_refused_by_path(self) -> None:
        assert self.bad
        for parameters, message in self.bad:
            with pytest.raises(PriceParameterError, match=f"^{message}"):
                self.model.terms(parameters)

    def test_golden_amounts(self) -> None:
        cases = tomllib.loads((GOLDEN / f"{self.name}.toml").read_text(encoding="utf-8"))["case"]
        assert cases
        for case in cases:
            used = case["used"] if "used" in case else {"": case["quantity"]}
            used = {group: Decimal(quantity) for group, quantity in used.items()}
            rated = rate_each([price(self.name, case["price"])], [used])
            assert exact_amounts(rated) == [Fraction(case["amount"])], case

    def test_zero_usage_bills_what_the_rule_says_and_shows_the_line(self) -> None:
        for parameters in self.examples:
            rated = rate_each([price(self.name, parameters)], [{}])
            used: Used = {} if dimensions_of(parameters) else {"": Decimal(0)}
            assert rated["quantity"].to_list() == [1 if self.name == "flat" else 0]
            assert exact_amounts(rated) == [sum(self.exact_used(used, parameters), Fraction(0))]

    def test_amounts_equal_the_fraction_oracle_or_are_refused(self, rating_cases: int) -> None:
        """Every legal quantity and price: the exact amount, rounded once, or a typed error."""

        @settings(max_examples=max(1, rating_cases // ROWS_MIN))
        @given(st.lists(self.rows, min_size=ROWS_MIN, max_size=2 * ROWS_MIN))
        def check(rows: list[Row]) -> None:
            prices = _prices(self.name, rows)
            amounts = [self.exact_used(used, given_) for used, given_, _, _ in rows]
            minor = [
                minor_units(sum(each, Fraction(0)), CURRENCIES[currency], mode)
                for each, (_, _, currency, mode) in zip(amounts, rows, strict=True)
            ]
            over = {
                index
                for index, each in enumerate(amounts)
                if abs(minor[index]) >= 10**18 or any(abs(part) >= 10**18 for part in each)
            }
            if over:
                with pytest.raises(AmountTooLargeError) as caught:
                    rate_each(prices, [used for used, *_ in rows])
                named = caught.value.details["lines"]
                assert {int(line[4:8]) for line in named} <= over  # type: ignore[attr-defined]  # details hold plain objects
            keep = [index for index in range(len(rows)) if index not in over]
            prices = [prices[index] for index in keep]
            wanted, used = inputs(prices, [rows[index][0] for index in keep])
            rated = rate_period(wanted, used, prices)
            exact = [sum(amounts[index], Fraction(0)) for index in keep]
            assert rated["amount_minor"].to_list() == [minor[index] for index in keep]
            assert exact_amounts(rated) == exact
            check_unit_amounts(rated)
            check_steps(rated, derive_period(wanted, used, prices))

        check()

    def test_order_and_chunks_of_the_frames_change_nothing(self, seed: int) -> None:
        draw = random.Random(seed)
        prices = [
            price(self.name, each, price_id=f"price-{index}")
            for index, each in enumerate(self.examples * 5)
        ]
        used: list[Used] = [self.some_usage(each.parameters, draw) for each in prices]
        wanted, spent = inputs(prices, used)
        rated = rate_period(wanted, spent, prices)

        cut = draw.randrange(wanted.height)
        mixed_lines = pl.concat([wanted[cut:], wanted[:cut]], rechunk=False)
        mixed_usage = pl.concat([spent[cut:].reverse(), spent[:cut]], rechunk=False)
        mixed = rate_period(mixed_lines, mixed_usage, prices[::-1])
        assert mixed.equals(pl.concat([rated[cut:], rated[:cut]]))

        twice = [
            pl.concat([each, each.with_columns(pl.col("subscription_id") + "-again")])
            for each in (wanted, spent)
        ]
        again = rate_period(twice[0], twice[1], prices)
        assert exact_amounts(again) == exact_amounts(rated) * 2

    def some_usage(self, parameters: Mapping[str, Any], draw: random.Random) -> Used:
        """Some usage for one of the examples."""
        groups = GROUPS if "group_by" in parameters else [""]
        return {group: Decimal(draw.randrange(-50, 5_000)) / 10 for group in groups}

    def test_more_usage_never_costs_less(self, rating_cases: int) -> None:
        if not self.monotone:
            return

        @settings(max_examples=max(1, rating_cases // ROWS_MIN // 3))
        @given(
            self.parameters,
            st.lists(QUANTITIES.map(Decimal.copy_abs), min_size=ROWS_MIN, max_size=ROWS_MIN),
        )
        def check(parameters: dict[str, Any], quantities: list[Decimal]) -> None:
            rising = sorted(quantity for quantity in quantities if quantity < 10**3)
            one = price(self.name, parameters)
            try:
                wanted, spent = inputs([one] * len(rising), [{"": each} for each in rising])
                amounts = exact_amounts(rate_period(wanted, spent, [one]))
            except AmountTooLargeError:
                return
            assert amounts == sorted(amounts)

        check()


def _prices(model: str, rows: list[Row]) -> list[Price]:
    return [
        price(model, given_, price_id=f"price-{index}", currency=currency, mode=mode)
        for index, (_, given_, currency, mode) in enumerate(rows)
    ]


def check_unit_amounts(rated: pl.DataFrame) -> None:
    """Where a unit amount stands, it times the quantity is the amount."""
    pairs = rated.select("quantity", "unit_amount").rows()
    for (quantity, unit_amount), amount in zip(pairs, exact_amounts(rated), strict=True):
        if unit_amount is not None:
            assert Fraction(quantity) * Fraction(unit_amount) == amount


def check_steps(rated: pl.DataFrame, steps: pl.DataFrame) -> None:
    """Every step is what it says, and the steps of a line are its amount."""
    sums = dict.fromkeys(rated["line_id"], Fraction(0))
    counts = dict.fromkeys(rated["line_id"], 0)
    for row, amount in zip(steps.to_dicts(), exact_amounts(steps), strict=True):
        product = Fraction(row["quantity"]) * Fraction(row["unit_amount"])
        assert amount == product + Fraction(row["flat_amount"])
        sums[row["line_id"]] += amount
        counts[row["line_id"]] += 1
        assert row["step"] == counts[row["line_id"]]
    assert list(sums.values()) == exact_amounts(rated)
