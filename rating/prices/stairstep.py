"""Stairstep: the flat amount of the tier that the quantity reaches.

Parameters: `tiers`, each with `up_to` (a bound that belongs to the tier; the last has none) and
`flat_amount` in currency units.
Up to 10 units 50, up to 100 200, else 500: 10 → 50, 10.5 → 200.
"""

from __future__ import annotations

from typing import ClassVar

from rating.prices.base import PriceModel, Terms, one_run, read_tiers
from rating.prices.reading import Fields


class StairstepPrice(PriceModel):
    """A price for reaching a tier, whatever is used within it."""

    name: ClassVar[str] = "stairstep"

    def read(self, fields: Fields) -> Terms:
        """`tiers`."""
        return one_run(fields, read_tiers(fields, unit=False))
