"""What every price model over single events promises, as one suite like `contract`."""

from __future__ import annotations

import random
import tomllib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, ClassVar

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rating.engine import derive_period, rate_period
from rating.errors import AmountTooLargeError, PriceParameterError, QuantityTooLargeError
from rating.prices import MODELS, model_named
from rating.rounding import ROUNDING_MODES, RoundingMode
from tests.rating.builders import NOVEMBER, exact_amounts, price, quantity_of
from tests.rating.events import NO_USAGE, Event, event_inputs, in_order, rate_events, written
from tests.rating.oracle import minor_units
from tests.rating.prices.contract import CURRENCIES, GOLDEN, check_steps, check_unit_amounts
from tests.rating.prices.drawing import GROUPS, near

ROWS = 5
"""Lines of one Hypothesis example: a line of several events is one case."""

VALUES = st.one_of(
    st.integers(1 - 10**27, 10**27 - 1),
    st.integers(0, 10**27 - 1),
    st.integers(-(10**3), 10**5).map(lambda units: units * 10**12),
    st.integers(-(10**6), 10**6),  # down to 10^-12
    st.integers(0, 2_000).map(lambda halves: halves * 5 * 10**9),  # halves of a cent
    st.sampled_from([0, 1, -1, 10**12]),
).map(quantity_of)

Row = tuple[list[Event], dict[str, Any], str, RoundingMode]


class EventModelContract(ABC):
    """Subclass as `TestX`; give the model's name, parameters of all sizes, and the scalar rule."""

    name: ClassVar[str]
    examples: ClassVar[list[dict[str, Any]]]
    parameters: ClassVar[st.SearchStrategy[dict[str, Any]]]
    bad: ClassVar[list[tuple[dict[str, Any], str]]]
    most: ClassVar[Decimal] = Decimal(10**15) - Decimal("0.000000000001")
    """The largest value of an event."""

    monotone: ClassVar[bool] = True
    """Whether more usage never costs less."""

    @abstractmethod
    def costs(self, events: Sequence[Event], parameters: dict[str, Any]) -> list[Fraction]:
        """The oracle: what each event costs, of one group in order."""

    def carried(self, parameters: dict[str, Any]) -> bool:
        """Whether what comes later changes nothing of what an event costs."""
        del parameters
        return True

    def event(self, parameters: dict[str, Any]) -> st.SearchStrategy[Event]:
        """Any legal event, often close to a number that the price names."""
        small = near(parameters).filter(lambda value: abs(value) < 10**15)
        return st.builds(
            Event,
            st.one_of(VALUES, small),
            st.integers(0, 3).map(lambda second: NOVEMBER + timedelta(seconds=second)),
        )

    def example_event(self, draw: random.Random) -> Event:
        """Some event for one of the examples."""
        value = Decimal(draw.randrange(-50, 5_000)) / 10
        return Event(value, NOVEMBER + timedelta(seconds=draw.randrange(20)))

    def all_costs(self, events: Sequence[Event], parameters: dict[str, Any]) -> list[Fraction]:
        """Those of all groups."""
        costs = []
        for group in {event.group for event in events}:
            mine = in_order([event for event in events if event.group == group])
            costs += self.costs(mine, parameters)
        return costs

    def expected(self, events: Sequence[Event], parameters: dict[str, Any]) -> Fraction:
        return sum(self.all_costs(events, parameters), Fraction(0))

    def size(self, events: Sequence[Event], parameters: dict[str, Any]) -> Fraction:
        return sum((abs(each) for each in self.all_costs(events, parameters)), Fraction(0))

    @property
    def rows(self) -> st.SearchStrategy[Row]:
        grouping = st.sampled_from([{}, {}, {"group_by": ["region"]}])
        parameters = st.builds(lambda own, more: own | more, self.parameters, grouping)
        return parameters.flatmap(
            lambda drawn: st.tuples(
                self.happened(drawn),
                st.just(drawn),
                st.sampled_from(sorted(CURRENCIES)),
                st.sampled_from(ROUNDING_MODES),
            )
        )

    def happened(self, parameters: dict[str, Any]) -> st.SearchStrategy[list[Event]]:
        """Events of one line, with ids in any order."""
        groups = st.sampled_from(GROUPS if "group_by" in parameters else [""])
        one = st.tuples(self.event(parameters), groups)
        return st.lists(one, max_size=6).flatmap(
            lambda drawn: st.permutations(range(len(drawn))).map(
                lambda order: [
                    replace(event, group=group, event_id=f"e{order[number]}")
                    for number, (event, group) in enumerate(drawn)
                ]
            )
        )

    def test_the_model_is_registered_once(self) -> None:
        assert [model.name for model in MODELS].count(self.name) == 1

    def test_bad_parameters_are_refused_by_path(self) -> None:
        assert self.bad
        for parameters, message in self.bad:
            with pytest.raises(PriceParameterError, match=f"^{message}"):
                model_named(self.name).terms(parameters)

    def test_golden_amounts(self) -> None:
        cases = tomllib.loads((GOLDEN / f"{self.name}.toml").read_text(encoding="utf-8"))["case"]
        assert cases
        for case in cases:
            events = [written(each, number) for number, each in enumerate(case["events"])]
            rated = rate_events([price(self.name, case["price"])], [events])
            assert exact_amounts(rated) == [Fraction(case["amount"])], case
            assert self.expected(events, case["price"]) == Fraction(case["amount"]), case

    def test_a_line_without_events_is_shown_and_costs_nothing(self) -> None:
        prices = [
            price(self.name, each, price_id=f"price-{number}")
            for number, each in enumerate(self.examples)
        ]
        rated = rate_events(prices, [[] for _ in prices])
        assert rated.select("quantity", "amount_minor", "event_count").rows() == [
            (Decimal(0), 0, 0) for _ in prices
        ]

    def test_amounts_equal_the_fraction_oracle_or_are_refused(self, rating_cases: int) -> None:
        """Every legal event and price: the exact amount, rounded once, or a typed error."""

        @settings(max_examples=max(1, rating_cases // ROWS))
        @given(st.lists(self.rows, min_size=ROWS, max_size=2 * ROWS))
        def check(rows: list[Row]) -> None:
            kept = []
            for row in rows:
                events, parameters, currency, mode = row
                amount, size = self.expected(events, parameters), self.size(events, parameters)
                minor = minor_units(amount, CURRENCIES[currency], mode)
                one = price(self.name, parameters, currency=currency, mode=mode)
                if abs(minor) >= 10**18:
                    with pytest.raises(AmountTooLargeError, match="sub-0000"):
                        rate_events([one], [events])
                elif size < 10**18:  # else a step may be refused that another takes back
                    kept.append((one, events, amount, minor))
            self._check_kept(kept)

        check()

    def _check_kept(self, kept: list[tuple[Any, list[Event], Fraction, int]]) -> None:
        prices = [replace(one, price_id=f"price-{number}") for number, (one, *_) in enumerate(kept)]
        wanted, frame = event_inputs(prices, [events for _, events, *_ in kept])
        rated = rate_period(wanted, NO_USAGE, prices, frame)
        assert exact_amounts(rated) == [amount for *_, amount, _ in kept]
        assert rated["amount_minor"].to_list() == [minor for *_, minor in kept]
        used = [sum((event.units for event in events), Fraction(0)) for _, events, *_ in kept]
        assert [Fraction(each) for each in rated["quantity"]] == used
        assert rated["event_count"].to_list() == [len(events) for _, events, *_ in kept]
        check_unit_amounts(rated)
        check_steps(rated, derive_period(wanted, NO_USAGE, prices, frame))

    def test_order_and_chunks_of_the_frames_change_nothing(self, seed: int) -> None:
        draw = random.Random(seed)
        prices = [
            price(self.name, each, price_id=f"price-{index}")
            for index, each in enumerate(self.examples * 5)
        ]
        events = [[self.example_event(draw) for _ in range(draw.randrange(30))] for _ in prices]
        wanted, happened = event_inputs(prices, events)
        rated = rate_period(wanted, NO_USAGE, prices, happened)

        cut = draw.randrange(wanted.height)
        mixed_lines = pl.concat([wanted[cut:], wanted[:cut]], rechunk=False)
        shuffled = happened.sample(fraction=1, shuffle=True, seed=draw.randrange(10**6))
        halves = [shuffled[: shuffled.height // 2], shuffled[shuffled.height // 2 :]]
        mixed = rate_period(mixed_lines, NO_USAGE, prices[::-1], pl.concat(halves, rechunk=False))
        assert mixed.equals(pl.concat([rated[cut:], rated[:cut]]))

        twice = [
            pl.concat([each, each.with_columns(pl.col("subscription_id") + "-again")])
            for each in (wanted, happened)
        ]
        again = rate_period(twice[0], NO_USAGE, prices, twice[1])
        assert exact_amounts(again) == exact_amounts(rated) * 2

    def test_later_events_change_nothing_of_what_earlier_ones_cost(self, seed: int) -> None:
        """Split invariance: a period in parts bills in each what its events cost in the whole."""
        draw = random.Random(seed)
        for parameters in self.examples:
            if not self.carried(parameters):
                continue
            events = [
                replace(self.example_event(draw), event_id=f"event-{number:03}")
                for number in range(30)
            ]
            ordered = in_order(events)
            costs = self.costs(ordered, parameters)
            if self.monotone:
                more = zip(ordered, costs, strict=True)
                assert all(cost >= 0 for event, cost in more if event.value >= 0)
            cuts = range(0, 31, 5)
            prices = [price(self.name, parameters, price_id=f"price-{cut}") for cut in cuts]
            rated = exact_amounts(rate_events(prices, [ordered[:cut] for cut in cuts]))
            assert rated == [sum(costs[:cut], Fraction(0)) for cut in cuts]

    def test_the_largest_value_of_an_event_is_rated_and_the_next_refused(self) -> None:
        one = price(self.name, self.examples[0])
        above = self.most + Decimal("0.000000000001")
        for value in (above, -above):
            with pytest.raises(QuantityTooLargeError, match="sub-0000"):
                rate_events([one], [[replace(self.some_event, value=value)]])
        event = replace(self.some_event, value=self.most)
        [amount] = exact_amounts(rate_events([one], [[event]]))
        assert amount == self.expected([event], self.examples[0])

    @property
    def some_event(self) -> Event:
        return self.example_event(random.Random(0))
