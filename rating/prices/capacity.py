"""Capacity: the flat amount of the highest tier that the peak of any unit reaches.

Parameters: `dimension` = "unit", by whose values usage comes apart; `tiers`, each with `limits` by
unit (each tier lists the same units; a bound belongs to the tier; the last has none) and its
`flat_amount`. A unit that is not listed is refused.
cpu up to 50, seats up to 100: 1; cpu 70, seats 200: 10; else 100. cpu 75 reaches tier 3, seats 101
tier 2 → 100.
"""

from __future__ import annotations

from typing import ClassVar

import polars as pl

from rating.errors import PriceParameterError
from rating.prices.base import TIERS_MAX, PriceModel, Terms
from rating.prices.reading import Fields, group_text
from rating.tiers import OPEN, Run, Tier, TierBook, with_tier


class CapacityPrice(PriceModel):
    """The size that holds every unit's peak."""

    name: ClassVar[str] = "capacity"
    one_unit: ClassVar[bool] = False

    def read(self, fields: Fields) -> Terms:
        """`dimension` and `tiers`."""
        dimension = fields.name("dimension")
        bounds: list[dict[str, int]] = []
        amounts = []
        *limited, last = fields.tables("tiers", TIERS_MAX)
        for each in limited:
            limits = each.quantities("limits")
            before = bounds[-1] if bounds else limits
            if set(limits) != set(before):
                raise PriceParameterError(
                    each.path("limits"), f"list the same units in each tier: {', '.join(before)}"
                )
            for unit, limit in limits.items():
                if bounds and limit <= before[unit]:
                    raise PriceParameterError(
                        each.path(f"limits.{unit}"), "must be above that of the tier before"
                    )
            bounds.append(limits)
            amounts.append(each.amount("flat_amount"))
            each.done()
        if last.has("limits") or not bounds:
            raise PriceParameterError(
                last.path("limits"), "the last tier must be open, after one with limits"
            )
        amounts.append(last.amount("flat_amount"))
        last.done()
        runs = tuple(
            Run(
                tuple(
                    Tier(number, limit, flat_amount=amount)
                    for number, (limit, amount) in enumerate(
                        zip([each[unit] for each in bounds] + [OPEN], amounts, strict=True), start=1
                    )
                ),
                group_text([unit]),
            )
            for unit in bounds[0]
        )
        return Terms(runs, (dimension,), tuple(group_text([unit]) for unit in bounds[0]))

    def with_tiers(self, rows: pl.LazyFrame, book: TierBook) -> pl.LazyFrame:
        """The unit of each line that reaches the highest tier; of several, the first by name."""
        number = book.of_tier("number")
        reached = with_tier(rows, book).with_columns(_number=number)
        return (
            reached.sort("line", "_number", "group", descending=[False, True, False])
            .unique("line", keep="first", maintain_order=True)
            .drop("_number")
        )
