"""max: the greatest value."""

from __future__ import annotations

import polars as pl

from catalog.metering.aggregations.base import ONE, Aggregation, Quantity, decimal_text

MAX = Aggregation(
    name="max",
    reads="number",
    columns=frozenset({"max"}),
    of_row=Quantity(decimal_text(pl.col("max")), ONE),
)
"""The greatest value; no events: nothing to tell (null)."""
