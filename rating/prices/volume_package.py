"""Volume packages: the tier that the quantity reaches says the size and price of all packages.

Parameters: `tiers`, each with `up_to` (a bound that belongs to the tier; the last has none), `size`
in units, `unit_amount` for a package and `flat_amount`, one of which may be missing. A package that
is begun counts.
Up to 1,000 units 1 per 100, else 0.5 per 1,000: 101,001 → ceil(101.001) = 102 x 0.5 = 51.
"""

from __future__ import annotations

from typing import ClassVar

from rating.prices.base import PriceModel, Terms, one_run, read_tiers
from rating.prices.reading import Fields


class VolumePackagePrice(PriceModel):
    """Packages for all units, of a size and price by how many they are."""

    name: ClassVar[str] = "volume_package"

    def read(self, fields: Fields) -> Terms:
        """`tiers`."""
        return one_run(fields, read_tiers(fields, packages=True))
