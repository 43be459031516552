"""Per unit: quantity x unit price.

Parameters: `amount` = "0.50" in currency units, for `per` = "1000000" units (default "1"). The unit
price amount / per must be exact in 12 decimals, so that no price is rounded before it is used.
28,185 requests at 0.50 per 1,000 → 14.0925, rounded once to 14.09.

Zero usage bills quantity 0, amount 0: the line is shown, so that an invoice says that nothing was
used instead of leaving the reader to guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal, Inexact
from typing import ClassVar, Final

import polars as pl

from rating.errors import PriceParameterError
from rating.exact import exact_product
from rating.prices.base import (
    AMOUNT_SCHEMA,
    PricedColumns,
    PriceModel,
    check_price,
    read_decimal,
    read_fields,
)

_EXACT: Final = Context(prec=120, traps=[])


class PerUnitPrice(PriceModel):
    """A price for each unit of a meter."""

    name: ClassVar[str] = "per_unit"
    metered: ClassVar[bool] = True
    parameter_schema: ClassVar[pl.Schema] = AMOUNT_SCHEMA

    def parameter_row(self, parameters: Mapping[str, str]) -> dict[str, Decimal]:
        """`{"amount"}`: currency units for one unit."""
        read_fields(parameters, ("amount",), ("per",))
        amount = read_decimal("amount", parameters["amount"])
        per = read_decimal("per", parameters.get("per", "1"))
        if not per:
            raise PriceParameterError("per", "must be above zero")
        context = _EXACT.copy()
        unit_amount = context.divide(amount, per)
        if context.flags[Inexact]:
            raise PriceParameterError(
                "per", f"{amount:f} / {per:f} has no end; choose a `per` that divides evenly"
            )
        return {"amount": check_price("amount", unit_amount)}

    def priced(self) -> PricedColumns:
        """The quantity used, at `amount` each."""
        quantity, unit_amount = pl.col("usage_quantity"), pl.col("amount")
        return PricedColumns(quantity, unit_amount, exact_product(quantity, unit_amount))
