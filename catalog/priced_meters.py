"""Which prices a meter can be sold with: what a price reads, the meter has to tell."""

from __future__ import annotations

from typing import Final

from catalog.meter_definition import MeterDefinition
from catalog.metering.aggregations import AGGREGATIONS
from catalog.metering.expressions import parse_expression
from catalog.prices import PriceTerms
from core.errors import ValidationError
from core.refusals import located
from rating.prices.dynamic import AMOUNT

EVENT_AGGREGATIONS: Final = ("count", "sum")
"""Those whose quantity is the sum of what each event is worth by itself."""


def check_meter(price: PriceTerms, meter: MeterDefinition) -> None:
    """Raise `ValidationError`, naming field and fix, where `price` cannot be for `meter`."""
    if price.rated_by.over_events:
        _check_events(price, meter)
    names = [name for name, _ in meter.dimensions]
    for name in price.group_by:
        if name not in names:
            raise ValidationError(
                f"meter: {meter.slug} has no dimension {name!r}, by which the price tells usage"
                f" apart; it has {', '.join(names) or 'none'}",
                field="meter",
            )
    if price.group_by and AGGREGATIONS[meter.aggregation].of_row is None:
        raise ValidationError(
            f"meter: the {meter.aggregation} of {meter.slug} is not told by groups; leave group_by"
            " out, or take another meter",
            field="meter",
        )


def _check_events(price: PriceTerms, meter: MeterDefinition) -> None:
    if meter.aggregation not in EVENT_AGGREGATIONS:
        raise ValidationError(
            f"meter: {price.model} prices single events, and {meter.slug} is a"
            f" {meter.aggregation}; take a {' or a '.join(EVENT_AGGREGATIONS)}",
            field="meter",
        )
    if meter.conversion is not None:
        raise ValidationError(
            f"meter: {price.model} prices single events, and {meter.slug} converts the quantity of"
            " a whole period; take a meter without conversion",
            field="meter",
        )
    if AMOUNT in price.parameters:
        with located("price"):
            parse_expression(price.parameters[AMOUNT], AMOUNT)
