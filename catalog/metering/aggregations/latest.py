"""latest: the value of the last event, by event time, then by log position."""

from __future__ import annotations

import polars as pl

from catalog.metering.aggregations.base import ONE, Aggregation, Quantity, decimal_text

LATEST = Aggregation(
    name="latest",
    reads="number",
    columns=frozenset({"latest"}),
    of_row=Quantity(decimal_text(pl.col("latest")), ONE),
)
"""The value that was last in event time, whenever it arrived; of equal times, the one later in the
log. An event that cannot be metered is passed over. No events: nothing to tell (null)."""
