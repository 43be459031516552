"""Flat: one amount for the period, whatever was used.

Parameters: `amount` = "49.00" in currency units. A line has quantity 1.
49.00 → 49.00.
"""

from __future__ import annotations

from typing import ClassVar

from rating.prices.base import PriceModel, Terms
from rating.prices.reading import Fields
from rating.tiers import OPEN, Run, Tier


class FlatPrice(PriceModel):
    """A fixed amount per period."""

    name: ClassVar[str] = "flat"
    metered: ClassVar[bool] = False
    one_unit: ClassVar[bool] = False

    def read(self, fields: Fields) -> Terms:
        """`amount`: of one period, in currency units."""
        return Terms((Run((Tier(1, OPEN, unit_amount=fields.amount("amount")),)),))
