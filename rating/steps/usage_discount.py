"""Usage discount: units given away on top of the allowance.

`usage_discount` = "20" after `free_units` = "100": of 150 units 30 are priced. It is told apart
from what the plan includes. Groups share it in the order of their text.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from rating import allowance
from rating.work import Work

NAME: Final = "usage_discount"


def run(work: Work) -> Work:
    """Lower the units of each line."""
    return allowance.take(work, NAME, shared=True, prorated=False)


def tell(work: Work) -> pl.DataFrame | None:
    """`value`: what the line is given; `units`: what was taken; `quantity`: what was left."""
    return allowance.tell(work, NAME)
