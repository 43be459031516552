"""Free units: what a line has free, whatever its groups.

`free_units` = "100": of 150 units 50 are priced, in the first tier. Groups share it in the order of
their text: eu 70 and us 80 leave 0 and 50.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from rating import allowance
from rating.work import Work

NAME: Final = "free_units"


def run(work: Work) -> Work:
    """Lower the units of each line."""
    return allowance.take(work, NAME, shared=True, prorated=True)


def tell(work: Work) -> pl.DataFrame | None:
    """`value`: what the line has free; `units`: what was taken; `quantity`: what was left."""
    return allowance.tell(work, NAME)
