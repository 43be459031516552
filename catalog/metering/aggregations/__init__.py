"""Aggregations: what a meter makes of its events. One file each, this is the list of them.

Owns: what each reads, what its usage rows need, how merged rows or values become a quantity. Does
not own: finding rows and events (`usage`), units (`catalog.metering.conversion`).
Invariants: quantities are exact ratios; what merges gives the same quantity however events were
divided into rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from catalog.metering.aggregations.avg import AVG
from catalog.metering.aggregations.base import Aggregation, Quantity
from catalog.metering.aggregations.count import COUNT
from catalog.metering.aggregations.latest import LATEST
from catalog.metering.aggregations.max import MAX
from catalog.metering.aggregations.min import MIN
from catalog.metering.aggregations.percentile import PERCENTILE
from catalog.metering.aggregations.sum import SUM
from catalog.metering.aggregations.unique_count import UNIQUE_COUNT
from catalog.metering.aggregations.weighted_sum import MICROS, WEIGHTED_SUM

__all__ = ["AGGREGATIONS", "MICROS", "Aggregation", "Quantity", "names_that_need"]

_ALL: Final = (COUNT, SUM, MIN, MAX, AVG, LATEST, UNIQUE_COUNT, WEIGHTED_SUM, PERCENTILE)
AGGREGATIONS: Final[Mapping[str, Aggregation]] = MappingProxyType(
    {each.name: each for each in _ALL}
)
"""Every aggregation by its name."""


def names_that_need(column: str) -> tuple[str, ...]:
    """The aggregations whose usage rows fill a column."""
    return tuple(name for name, each in AGGREGATIONS.items() if column in each.columns)
