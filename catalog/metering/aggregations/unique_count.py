"""unique_count: how many different texts, exactly."""

from __future__ import annotations

import polars as pl

from catalog.metering.aggregations.base import ONE, Aggregation, Quantity

UNIQUE_COUNT = Aggregation(
    name="unique_count",
    reads="text",
    columns=frozenset({"distinct_values"}),
    of_row=Quantity(pl.col("distinct_values").list.len().cast(pl.String), ONE),
)
"""Different texts at a path: a string's content; a number, true or false as it was sent, so that 1
and 1.0 are two. No events: 0. Nothing, null, an object or an array there is `missing`, a text of
over 256 bytes `too_long`."""
