"""count: how many events."""

from __future__ import annotations

import polars as pl

from catalog.metering.aggregations.base import NET_EVENTS, ONE, Aggregation, Quantity

COUNT = Aggregation(
    name="count",
    reads="nothing",
    linear=True,
    of_row=Quantity(NET_EVENTS.cast(pl.String), ONE),
)
"""Events less voids; no events: 0. Every event that the filter takes can be metered."""
