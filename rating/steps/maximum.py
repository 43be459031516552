"""Maximum: what a line comes to at most.

`maximum` = "50": 58.00 → 50. The mirror holds for a negative amount, -58.00 → -50: nothing is given
back beyond what would have been billed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import polars as pl

from rating.exact import Exact, int128, with_number, with_sum
from rating.share import NUMERATOR
from rating.told import told_taken
from rating.work import AMOUNT, LINE_PARTS, Work

NAME: Final = "maximum"
_TAKEN: Final = Exact.named(NAME, LINE_PARTS)


def run(work: Work) -> Work:
    """Bring `amount` of each line back within its maximum."""
    if not work.book.says(NAME):
        return work
    limit = work.book.around_of(NAME)
    most = Exact.of_units(limit.fill_null(int128(0))).widened(LINE_PARTS)
    sign = pl.when(AMOUNT.negative).then(int128(-1)).otherwise(int128(1))
    over = [
        mine - sign * NUMERATOR * theirs
        for mine, theirs in zip(AMOUNT.limbs, most.limbs, strict=True)
    ]
    lines = with_number(work.lines.lazy(), NAME, over)
    beyond = limit.is_not_null() & (_TAKEN.negative == AMOUNT.negative)
    lines = lines.with_columns(limb * beyond.cast(pl.Int128) for limb in _TAKEN.limbs)
    lines = with_sum(lines, "amount", [AMOUNT], [_TAKEN])
    return replace(work, lines=lines.collect(engine="streaming"))


def tell(work: Work) -> pl.DataFrame | None:
    """`value`: the maximum; the amount is what lay beyond it."""
    if not work.book.says(NAME):
        return None
    return told_taken(work.lines.lazy(), NAME, work.book.around_of(NAME), _TAKEN)
