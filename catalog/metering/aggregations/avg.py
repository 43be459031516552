"""avg: the mean of all values, kept as a ratio."""

from __future__ import annotations

import polars as pl

from catalog.metering.aggregations.base import NET_EVENTS, ONE, Aggregation, Quantity, decimal_text

AVG = Aggregation(
    name="avg",
    reads="number",
    columns=frozenset({"sum"}),
    linear=True,
    of_row=Quantity(
        pl.when(NET_EVENTS > 0).then(decimal_text(pl.col("sum"))),
        pl.when(NET_EVENTS > 0).then(NET_EVENTS.cast(pl.String)).otherwise(ONE),
    ),
)
"""The sum over the number of events, both less voids; no events: nothing to tell (null)."""
