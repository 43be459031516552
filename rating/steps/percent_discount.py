"""Percentage discount: takes a share of the model's amount off.

`percent_discount` = "10" takes 10 %. It is exact: 10 % of 0.05 leaves 0.045, rounded with the line.
100 units at 0.50 less 10 % → 45.00. A negative amount is reduced in the same way: -50 → -45.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import polars as pl

from rating.exact import LIMB, Exact, int128, with_number
from rating.told import told_taken
from rating.work import LINE_PARTS, Work

NAME: Final = "percent_discount"


def run(work: Work) -> Work:
    """Lower `amount` of each line by its percentage, and keep what it was."""
    if not work.book.says(NAME):
        return work
    amount = Exact.seen(work.lines, "amount", LINE_PARTS)
    rest = int128(LIMB) - _rate(work)
    lowered = _with_part(work.lines.lazy(), "amount", amount, rest, shared=work.shared)
    names = [f"amount_{at}" for at in range(len(amount.limbs) + 1)]
    before = [limb.alias(f"{NAME}_{at}") for at, limb in enumerate(amount.widened(2).limbs)]
    return replace(
        work,
        lines=work.lines.with_columns(before).with_columns(
            lowered.select(names).collect(engine="streaming")
        ),
    )


def _rate(work: Work) -> pl.Expr:
    """What each line's price takes off one, in units of 10^-12."""
    return (work.book.around_of(NAME) // int128(100)).fill_null(int128(0))


def _with_part(
    lines: pl.LazyFrame, name: str, amount: Exact, rate: pl.Expr, *, shared: bool
) -> pl.LazyFrame:
    """Add the number `name`, an amount of up to two parts times a rate of up to 1."""
    whole, *parts = amount.limbs
    one, part = Exact.of_units(pl.col("_rate")).limbs
    raw = [whole * one, *(limb * one for limb in parts), int128(0)]
    # The numerator of a share is up to 10^33; its whole part would wrap.
    low = whole % int128(LIMB) if shared else whole
    for at, limb in enumerate((low, *parts), start=1):
        raw[at] += limb * part
    if shared:
        raw[0] += whole // int128(LIMB) * part
    return with_number(lines.with_columns(_rate=rate), name, raw)


def tell(work: Work) -> pl.DataFrame | None:
    """`value`: the percentage; the amount is what it took."""
    if not work.book.says(NAME):
        return None
    before = Exact.named(NAME, LINE_PARTS - 1)
    lines = _with_part(work.lines.lazy(), "_taken", before, _rate(work), shared=work.shared)
    taken = Exact.named("_taken", LINE_PARTS)
    return told_taken(lines, NAME, work.book.around_of(NAME), taken)
