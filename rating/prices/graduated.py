"""Graduated: each tier's units at its own price, and a flat amount for each tier entered.

Parameters: `tiers`, each with `up_to` (a bound that belongs to the tier; the last has none),
`unit_amount` and `flat_amount` in currency units, one of which may be missing.
5 units at 7, 5 at 6.5, the rest at 6: 20 → 35 + 32.5 + 60 = 127.50.
"""

from __future__ import annotations

from typing import ClassVar

from rating.prices.base import PriceModel, Terms, one_run, read_tiers
from rating.prices.reading import Fields


class GraduatedPrice(PriceModel):
    """Tier after tier, as an income tax."""

    name: ClassVar[str] = "graduated"
    marginal: ClassVar[bool] = True

    def read(self, fields: Fields) -> Terms:
        """`tiers`."""
        return one_run(fields, read_tiers(fields))
