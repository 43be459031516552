"""Flat: one amount for the period, whatever was used.

Parameters: `amount` = "49.00" in currency units. A line has quantity 1.
49.00 → 49.00.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar

import polars as pl

from rating.exact import exact_whole
from rating.frames import QUANTITY_DTYPE
from rating.prices.base import (
    AMOUNT_SCHEMA,
    PricedColumns,
    PriceModel,
    check_price,
    read_decimal,
    read_fields,
)


class FlatPrice(PriceModel):
    """A fixed amount per period."""

    name: ClassVar[str] = "flat"
    metered: ClassVar[bool] = False
    parameter_schema: ClassVar[pl.Schema] = AMOUNT_SCHEMA

    def parameter_row(self, parameters: Mapping[str, str]) -> dict[str, Decimal]:
        """`{"amount"}`: the amount of one period, in currency units."""
        read_fields(parameters, ("amount",))
        return {"amount": check_price("amount", read_decimal("amount", parameters["amount"]))}

    def priced(self) -> PricedColumns:
        """Quantity 1 at `amount`."""
        return PricedColumns(
            quantity=pl.lit(Decimal(1), dtype=QUANTITY_DTYPE),
            unit_amount=pl.col("amount"),
            amount=exact_whole(pl.col("amount")),
        )
