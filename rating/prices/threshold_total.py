"""Threshold total: the amount that stands beside the highest threshold reached.

Parameters: `thresholds`, each with `from` (reached by exactly so many units, too) and `amount` in
currency units, rising. Below the first the amount is 0; a threshold of "0" is always reached.
From 100 units 15, from 200 28: 99.5 → 0, 100 → 15, 200 → 28.
"""

from __future__ import annotations

from typing import ClassVar

from rating.errors import PriceParameterError
from rating.prices.base import TIERS_MAX, PriceModel, Terms, one_run
from rating.prices.reading import Fields
from rating.tiers import OPEN, Tier


class ThresholdTotalPrice(PriceModel):
    """A table from thresholds to totals."""

    name: ClassVar[str] = "threshold_total"

    def read(self, fields: Fields) -> Terms:
        """`thresholds`."""
        starts: list[tuple[int, int]] = []
        for each in fields.tables("thresholds", TIERS_MAX):
            start = each.quantity("from")
            if starts and start <= starts[-1][0]:
                raise PriceParameterError(each.path("from"), "must be above the one before")
            starts.append((start, each.amount("amount")))
            each.done()
        # A tier's bound belongs to it, a threshold to what follows: the least step is 10^-12 units.
        bounds = [start - 1 for start, _ in starts] + [OPEN]
        tiers = [
            Tier(number, bounds[number], flat_amount=amount)
            for number, (_, amount) in enumerate(starts, start=1)
        ]
        if bounds[0] >= 0:
            tiers.insert(0, Tier(0, bounds[0]))
        return one_run(fields, tuple(tiers))
