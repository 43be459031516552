"""Amount discount: takes currency units off the amount, never more than there are.

`amount_discount` = "5.00": 45.00 → 40.00, and 3.00 → 0. The rest lapses. It is a fixed amount of
the period: a negative amount stays as it is, as it has no flat part either.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import polars as pl

from rating.exact import Exact, int128, with_number, with_sum
from rating.share import NUMERATOR
from rating.told import told_taken
from rating.work import AMOUNT, LINE_PARTS, Work

NAME: Final = "amount_discount"
_TAKEN: Final = Exact.named(NAME, LINE_PARTS)


def run(work: Work) -> Work:
    """Lower `amount` of each line by its discount, down to zero."""
    if not work.book.says(NAME):
        return work
    whole = Exact.of_units(work.book.around_of(NAME).fill_null(int128(0)))
    discount = Exact.named("_discount", 1)
    least = AMOUNT.chosen(AMOUNT.below(discount), discount)
    taken = Exact((int128(0),)).chosen(AMOUNT.negative, least)
    lines = with_number(work.lines.lazy(), "_discount", [limb * NUMERATOR for limb in whole.limbs])
    lines = lines.with_columns(limb.alias(f"{NAME}_{at}") for at, limb in enumerate(taken.limbs))
    lines = with_sum(lines, "amount", [AMOUNT], [_TAKEN])
    return replace(work, lines=lines.collect(engine="streaming"))


def tell(work: Work) -> pl.DataFrame | None:
    """`value`: the discount of the price; the amount is what it took."""
    if not work.book.says(NAME):
        return None
    return told_taken(work.lines.lazy(), NAME, work.book.around_of(NAME), _TAKEN)
