"""Cost plus: what something cost, and a margin on top.

Parameters: `margin` = "25", in percent of the cost, which the meter sums in currency units. A
negative cost is given back with its margin.
80 at a margin of 25 → 100.
"""

from __future__ import annotations

from typing import ClassVar

from rating.exact import LIMB
from rating.prices.base import PriceModel, Terms, one_run
from rating.prices.reading import Fields
from rating.tiers import OPEN, Tier


class CostPlusPrice(PriceModel):
    """A cost passed on with a margin."""

    name: ClassVar[str] = "cost_plus"

    def read(self, fields: Fields) -> Terms:
        """`margin`."""
        rate = LIMB + fields.share("margin", 100)
        return one_run(fields, (Tier(1, OPEN, unit_amount=rate),))
