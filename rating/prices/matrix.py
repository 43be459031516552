"""Matrix: a unit price for each combination of one to three dimensions.

Parameters: `dimensions` = ["region", "size"]; `cells`, each with its `values` by dimension and its
`unit_amount`; `default` = "0.02" for combinations that are not listed. Without a default they are
refused: nothing that was used is free by accident.
eu 10 units at 0.5, us 4 at 0.25 → 5 + 1 = 6.
"""

from __future__ import annotations

from typing import ClassVar

from rating.errors import PriceParameterError
from rating.prices.base import DIMENSIONS_MAX, TIERS_MAX, PriceModel, Terms
from rating.prices.reading import Fields
from rating.tiers import OPEN, Run, Tier


class MatrixPrice(PriceModel):
    """A price per cell, summed over the cells."""

    name: ClassVar[str] = "matrix"

    def read(self, fields: Fields) -> Terms:
        """`dimensions`, `cells` and maybe a `default`."""
        dimensions = fields.names("dimensions", DIMENSIONS_MAX)
        runs: dict[str | None, Run] = {}
        for number, cell in enumerate(fields.tables("cells", TIERS_MAX), start=1):
            group = cell.group("values", dimensions)
            if group in runs:
                raise PriceParameterError(cell.path("values"), "stands in a cell before")
            runs[group] = Run((Tier(number, OPEN, cell.amount("unit_amount")),), group)
            cell.done()
        if fields.has("default"):
            runs[None] = Run((Tier(0, OPEN, fields.amount("default")),))
        return Terms(tuple(runs.values()), dimensions)
