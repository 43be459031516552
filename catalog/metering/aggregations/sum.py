"""sum: all values added up."""

from __future__ import annotations

import polars as pl

from catalog.metering.aggregations.base import ONE, Aggregation, Quantity, decimal_text

SUM = Aggregation(
    name="sum",
    reads="number",
    columns=frozenset({"sum"}),
    linear=True,
    of_row=Quantity(decimal_text(pl.col("sum")), ONE),
)
"""The exact sum, voided values subtracted; no events: 0. It may be negative."""
