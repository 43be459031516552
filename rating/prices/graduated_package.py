"""Graduated packages: each tier's units in packages of its size, at its price.

Parameters: `tiers`, each with `up_to` (a bound that belongs to the tier; the last has none), `size`
in units, `unit_amount` for a package and `flat_amount`, one of which may be missing. A package that
is begun counts, in every tier for itself.
Up to 1,000 units 1 per 100, then 1 per 1,000: 5,325 → 10 + ceil(4,325 / 1,000) = 15.
"""

from __future__ import annotations

from typing import ClassVar

from rating.prices.base import PriceModel, Terms, one_run, read_tiers
from rating.prices.reading import Fields


class GraduatedPackagePrice(PriceModel):
    """Packages inside tiers, tier after tier."""

    name: ClassVar[str] = "graduated_package"
    marginal: ClassVar[bool] = True

    def read(self, fields: Fields) -> Terms:
        """`tiers`."""
        return one_run(fields, read_tiers(fields, packages=True))
