"""Graduated percentage: each part of the value costs the rate of the tier that it lies in.

Parameters: `tiers`, each with `up_to` (a bound that belongs to the tier; the last has none), `rate`
in percent and `flat_amount` in currency units, one of which may be missing. Tiers fill with the
value so far, which is why the single events do not matter. The flat amount of a tier is billed when
it is entered; that of the first also for zero usage.
Up to 100 at 1, else at 2: 150 → 1 + 1 = 2.
"""

from __future__ import annotations

from typing import ClassVar

from rating.prices.base import PriceModel, Terms, one_run, read_tiers
from rating.prices.reading import Fields


class GraduatedPercentagePrice(PriceModel):
    """Rates by tiers of the value."""

    name: ClassVar[str] = "graduated_percentage"
    marginal: ClassVar[bool] = True

    def read(self, fields: Fields) -> Terms:
        """`tiers`."""
        return one_run(fields, read_tiers(fields, percent=True))
