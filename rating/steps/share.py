"""Share of the period: fixed amounts of the model are for the share that the line is for.

A flat fee of 100 for 22 of 29 days is 100 x 22 / 29; so is the flat part of each tier entered, and
all that an agreed quantity costs: 5 seats at 20 are a fee of 100.
Usage is not prorated, nor are bounds of tiers and sizes of packages. Free units that were shared
leave quantities that no 12 decimals hold; the model priced them rounded up, which is taken back
here, exactly.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import polars as pl

from rating.exact import Exact, int128, with_number
from rating.frames import AGREED
from rating.share import DENOMINATOR, IS_PART, NUMERATOR
from rating.told import amount_columns, as_told
from rating.work import AMOUNT, LINE_PARTS, Work

NAME: Final = "share"
_TAKEN: Final = Exact.named(NAME, LINE_PARTS)


def run(work: Work) -> Work:
    """Make `amount` of each line a numerator over the denominator of its share."""
    if not work.shared:
        return work
    rest = DENOMINATOR - NUMERATOR
    part = [
        pl.col("flat_0") * rest,
        pl.col("flat_1") * rest + pl.col("short_1"),
        pl.col("short_2"),
        int128(0),
    ]
    whole = [limb * rest for limb in AMOUNT.limbs]
    taken = [
        pl.when(AGREED).then(all_of_it).otherwise(some)
        for all_of_it, some in zip(whole, part, strict=True)
    ]
    lines = with_number(work.lines.lazy(), NAME, taken)
    left = [
        mine * DENOMINATOR - theirs for mine, theirs in zip(AMOUNT.limbs, _TAKEN.limbs, strict=True)
    ]
    return replace(work, lines=with_number(lines, "amount", left).collect(engine="streaming"))


def tell(work: Work) -> pl.DataFrame | None:
    """The amount is what a share that is not all of the period took off."""
    if not work.shared:
        return None
    rows = work.lines.lazy().filter(IS_PART)
    return as_told(
        rows.select(
            "line",
            pl.lit(NAME).alias("name"),
            *amount_columns(_TAKEN, sign=-1, denominator=DENOMINATOR),
        )
    )
