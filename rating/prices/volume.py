"""Volume: the tier that the whole quantity reaches prices all of it.

Parameters: `tiers`, each with `up_to` (a bound that belongs to the tier; the last has none),
`unit_amount` and `flat_amount` in currency units, one of which may be missing.
Up to 5 units at 7, up to 10 at 6.5, else at 6: 5 → 35, 6 → 39, 20 → 120.
"""

from __future__ import annotations

from typing import ClassVar

from rating.prices.base import PriceModel, Terms, one_run, read_tiers
from rating.prices.reading import Fields


class VolumePrice(PriceModel):
    """One price for all units, by how many they are."""

    name: ClassVar[str] = "volume"

    def read(self, fields: Fields) -> Terms:
        """`tiers`."""
        return one_run(fields, read_tiers(fields))
