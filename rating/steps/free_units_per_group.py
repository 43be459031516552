"""Free units per group: what each group of usage has free.

`free_units_per_group` = "100" with eu 150 and us 80: 50 and 0 are priced. Usage that is one
quantity is one group.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from rating import allowance
from rating.work import Work

NAME: Final = "free_units_per_group"


def run(work: Work) -> Work:
    """Lower the units of each group."""
    return allowance.take(work, NAME, shared=False, prorated=True)


def tell(work: Work) -> pl.DataFrame | None:
    """`value`: what each group has free; `units`: what was taken; `quantity`: what was left."""
    return allowance.tell(work, NAME)
