"""min: the least value."""

from __future__ import annotations

import polars as pl

from catalog.metering.aggregations.base import ONE, Aggregation, Quantity, decimal_text

MIN = Aggregation(
    name="min",
    reads="number",
    columns=frozenset({"min"}),
    of_row=Quantity(decimal_text(pl.col("min")), ONE),
)
"""The least value; no events: nothing to tell (null)."""
