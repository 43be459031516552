"""How a price reads usage: as one quantity, apart by groups, or event by event."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rating.prices import Price, model_named
from rating.prices.dynamic import AMOUNT, DynamicPrice
from rating.prices.reading import group_text


@dataclass(frozen=True, slots=True, order=True)
class Way:
    """One way to read what was used of a meter; prices of one way share the reading."""

    group_by: tuple[str, ...] = ()
    """The dimensions that tell usage apart, sorted."""
    events: bool = False
    with_amounts: bool = False
    """Whether events carry amounts: what the meter reads, or what `amount` does."""
    amount: str = ""

    @property
    def grouping(self) -> str:
        """`group_by` as `rating.frames` has it."""
        return group_text(self.group_by) if self.group_by else ""


PLAIN = Way()
"""As one quantity."""


def way_of(price: Price) -> Way:
    """What the price asks for. Raises `PriceParameterError` and `UnknownPriceModelError`."""
    model = model_named(price.model)
    group_by = model.terms(price.parameters).group_by
    if not model.over_events:
        return Way(group_by)
    amounts = price.model == DynamicPrice.name
    return Way(group_by, True, amounts, price.parameters.get(AMOUNT, "") if amounts else "")


def ways_of(prices: Iterable[Price]) -> dict[str, Way]:
    """The way of each price, by its id: each is read once."""
    found: dict[str, Way] = {}
    for price in prices:
        if price.price_id not in found:
            found[price.price_id] = way_of(price)
    return found
