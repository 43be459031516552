"""Per unit: quantity x unit price.

Parameters: `amount` = "0.50" in currency units, for `per` = "1000000" units (default "1"). The unit
price amount / per must be exact in 12 decimals, so that no price is rounded before it is used.
28,185 requests at 0.50 per 1,000 → 14.0925, rounded once to 14.09.

Zero usage bills quantity 0, amount 0: the line is shown, so that an invoice says that nothing was
used instead of leaving the reader to guess.
"""

from __future__ import annotations

from decimal import Context, Inexact
from typing import ClassVar, Final

from rating.errors import PriceParameterError
from rating.prices.base import PriceModel, Terms, one_run
from rating.prices.reading import PRICE_LIMIT, Fields
from rating.tiers import OPEN, Tier

_EXACT: Final = Context(prec=120, traps=[])


class PerUnitPrice(PriceModel):
    """A price for each unit of a meter."""

    name: ClassVar[str] = "per_unit"

    def read(self, fields: Fields) -> Terms:
        """`amount` for `per` units."""
        amount, per = fields.decimal("amount"), fields.decimal("per", "1")
        if not per:
            raise PriceParameterError("per", "must be above zero")
        context = _EXACT.copy()
        unit_amount = context.divide(amount, per)
        if context.flags[Inexact]:
            raise PriceParameterError(
                "per", f"{amount:f} / {per:f} has no end; choose a `per` that divides evenly"
            )
        units = fields.units("amount", unit_amount, PRICE_LIMIT)
        return one_run(fields, (Tier(1, OPEN, unit_amount=units),))
