"""Package: a price for each package of units.

Parameters: `size` = "100" units of a package, `amount` = "5" for each, `free` = "100" units before
the first (default "0"), `round` = "up" (default: a begun package counts) or "down".
201 units, 100 of them free, 5 per 100 → ceil(101 / 100) = 2 packages, 10.
"""

from __future__ import annotations

from typing import ClassVar

from rating.prices.base import PriceModel, Terms, one_run
from rating.prices.reading import Fields
from rating.tiers import OPEN, Tier


class PackagePrice(PriceModel):
    """A price for each package, the last one begun or not."""

    name: ClassVar[str] = "package"
    marginal: ClassVar[bool] = True

    def read(self, fields: Fields) -> Terms:
        """`size` and `amount` of a package, units `free`, and which way to `round`."""
        size, amount = fields.size("size"), fields.amount("amount")
        free = fields.quantity("free", "0")
        round_up = fields.choice("round", ("up", "down"), "up") == "up"
        # What is free is a tier of its own, numbered 0: it shows in the derivation, at no price.
        packages = Tier(1, OPEN, unit_amount=amount, size=size, round_up=round_up)
        tiers = (Tier(0, free), packages) if free else (packages,)
        return one_run(fields, tiers)
