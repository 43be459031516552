from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import strategies as st

from rating.errors import QuantityTooLargeError, UnpricedEventError
from tests.rating import event_oracle
from tests.rating.builders import exact_amounts, price
from tests.rating.events import Event, rate_events, values
from tests.rating.prices.drawing import AMOUNTS
from tests.rating.prices.event_contract import VALUES, EventModelContract


class TestDynamic(EventModelContract):
    name = "dynamic"
    examples = [  # noqa: RUF012 - declared ClassVar in the base
        {"default": "0.5"},
        {"default": "0", "multiplier": "1.2"},
    ]
    monotone = False  # an event may carry an amount below zero
    parameters = st.fixed_dictionaries({"default": AMOUNTS}, optional={"multiplier": AMOUNTS})
    bad = [  # noqa: RUF012 - declared ClassVar in the base
        ({"multiplier": "-1"}, "multiplier: must not be negative"),
        ({"default": "x"}, "default: expected a decimal"),
        ({"amount": "1"}, "amount: unknown parameter"),
    ]

    def costs(self, events: Sequence[Event], parameters: dict[str, Any]) -> list[Fraction]:
        pairs = [
            (event.units, None if event.amount is None else Fraction(event.amount))
            for event in events
        ]
        return event_oracle.dynamic(pairs, parameters)

    def event(self, parameters: dict[str, Any]) -> st.SearchStrategy[Event]:
        with_amount = st.builds(
            lambda event, amount: replace(event, amount=amount),
            super().event(parameters),
            st.one_of(st.none(), VALUES),
        )
        return with_amount  # noqa: RET504 - named for what it is

    def example_event(self, draw: random.Random) -> Event:
        amount = Decimal(draw.randrange(-100, 900)) / 100
        event = super().example_event(draw)
        return replace(event, amount=draw.choice([None, amount]))


def test_the_amounts_of_the_events_are_summed() -> None:
    # 0.70 + 0.55 + 2.20 = 3.45; a page in the field says 3.435
    events = [
        replace(event, amount=Decimal(amount))
        for event, amount in zip(values("7", "5", "10"), ("0.70", "0.55", "2.20"), strict=True)
    ]
    rated = rate_events([price("dynamic", {})], [events])
    assert rated["amount_minor"].to_list() == [345]
    assert rated["quantity"].to_list() == [22]
    # 1.25 for each 1
    more = rate_events([price("dynamic", {"multiplier": "1.25"})], [events])
    assert exact_amounts(more) == [Fraction("4.3125")]


def test_an_event_without_an_amount_is_refused_or_costs_the_default() -> None:
    events = [replace(values("7")[0], amount=Decimal(1)), *values("0", "2")[1:]]
    with pytest.raises(UnpricedEventError, match=r"sub-0001.*give the price a default"):
        rate_events(
            [price("dynamic", {"default": "0.5"}, price_id="a"), price("dynamic", {})],
            [events, events],
        )
    # 1 + 2 x 0.5
    rated = rate_events([price("dynamic", {"default": "0.5", "multiplier": "1"})], [events])
    assert exact_amounts(rated) == [2]


def test_an_amount_of_10_to_the_15_is_refused() -> None:
    event = replace(values("1")[0], amount=Decimal(10**15))
    with pytest.raises(QuantityTooLargeError, match="sub-0000"):
        rate_events([price("dynamic", {})], [[event]])
