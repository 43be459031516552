"""What every price model promises, as one suite: a model's test file subclasses it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rating.errors import AmountTooLargeError, PriceParameterError
from rating.prices import MODELS, PriceModel, model_named
from rating.rounding import ROUNDING_MODES, RoundingMode
from tests.rating.builders import price, rate_each
from tests.rating.oracle import minor_units

QUANTITIES = st.one_of(
    st.integers(1 - 10**38, 10**38 - 1),
    st.integers(-(10**9), 10**9).map(lambda units: units * 10**12),
    st.integers(-(10**6), 10**6),
)
CURRENCIES = {"JPY": 0, "EUR": 2, "KWD": 3, "CLF": 4}


def quantity_of(scaled: int) -> Decimal:
    with localcontext(prec=50):
        return Decimal(scaled).scaleb(-12)


class PriceModelContract(ABC):
    """Subclass as `TestX`; give the model's name, parameters of all sizes, and the scalar rule."""

    name: ClassVar[str]
    examples: ClassVar[list[dict[str, str]]]
    parameters: ClassVar[st.SearchStrategy[dict[str, str]]]
    bad: ClassVar[list[tuple[dict[str, str], str]]]

    @abstractmethod
    def exact(self, quantity: Fraction, parameters: Mapping[str, str]) -> Fraction:
        """The oracle: the exact amount in currency units."""

    @property
    def model(self) -> PriceModel:
        return model_named(self.name)

    def test_the_model_is_registered_once(self) -> None:
        assert [model.name for model in MODELS].count(self.name) == 1

    def test_parameters_become_one_row_of_the_declared_columns(self) -> None:
        for parameters in self.examples:
            row = self.model.parameter_row(parameters)
            assert list(row) == self.model.parameter_schema.names()

    def test_bad_parameters_are_refused_by_field(self) -> None:
        assert self.bad
        for parameters, message in self.bad:
            with pytest.raises(PriceParameterError, match=message):
                self.model.parameter_row(parameters)

    def test_zero_usage_bills_what_the_rule_says_and_shows_the_line(self) -> None:
        for parameters in self.examples:
            rated = rate_each([price(self.name, parameters)], [Decimal(0)])
            assert rated.height == 1
            expected = minor_units(self.exact(Fraction(0), parameters), 2, "half_away_from_zero")
            assert rated["amount_minor"].to_list() == [expected]

    def test_amounts_equal_the_fraction_oracle_or_are_refused(self) -> None:
        """Every legal quantity and price: the exact amount, rounded once, or a typed error."""

        @settings(max_examples=150, deadline=None)
        @given(
            st.lists(
                st.tuples(
                    QUANTITIES.map(quantity_of),
                    self.parameters,
                    st.sampled_from(sorted(CURRENCIES)),
                    st.sampled_from(ROUNDING_MODES),
                ),
                min_size=1,
                max_size=20,
            )
        )
        def check(rows: list[tuple[Decimal, dict[str, str], str, RoundingMode]]) -> None:
            prices = [
                price(self.name, given_, price_id=f"price-{index}", currency=currency, mode=mode)
                for index, (_, given_, currency, mode) in enumerate(rows)
            ]
            exact = [self.exact(Fraction(quantity), given_) for quantity, given_, _, _ in rows]
            minor = [
                minor_units(value, CURRENCIES[currency], mode)
                for value, (_, _, currency, mode) in zip(exact, rows, strict=True)
            ]
            over = [index for index, value in enumerate(minor) if abs(value) >= 10**18]
            quantities = [quantity for quantity, _, _, _ in rows]
            if over:
                with pytest.raises(AmountTooLargeError) as caught:
                    rate_each(prices, quantities)
                assert len(caught.value.details["lines"]) == len(over)  # type: ignore[arg-type]  # details hold plain objects
                keep = [index for index in range(len(rows)) if index not in set(over)]
                prices = [prices[index] for index in keep]
                quantities = [quantities[index] for index in keep]
                exact = [exact[index] for index in keep]
                minor = [minor[index] for index in keep]
            rated = rate_each(prices, quantities)
            assert rated["amount_minor"].to_list() == minor
            limbs = rated.select("amount_whole", "amount_fraction").rows()
            assert [whole + Fraction(part) for whole, part in limbs] == exact

        check()
