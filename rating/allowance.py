"""Units that are free: taken off usage before it is priced, never more than were used.

A negative quantity is the mirror: of -150 with 100 free, -50 are priced. The share of a period that
an allowance is for is exact: what 12 decimals do not hold is kept apart, as `pieces.Pieces` says.
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from rating.exact import LIMB, int128
from rating.frames import AGREED
from rating.sums import has_lines_of_many_rows
from rating.told import told_units
from rating.work import Work


def take(work: Work, name: str, *, shared: bool, prorated: bool) -> Work:
    """Lower `units` of `work.used` by the field `name` of each price, and keep what was taken.

    `shared`: a line has it once, for its groups in the order of their text; else each group has it.
    `prorated`: it is for a whole period, and a line for a share of it has that share.
    """
    if not work.book.says(name):
        return work
    rows = work.priced_usage().with_columns(_size=pl.col("units").abs(), _over=_denominator(work))
    rows = rows.with_columns(_free=work.book.around_of(name).fill_null(int128(0)), _part=int128(0))
    if prorated and work.shared:
        rows = _with_share_of_free(rows, _numerator(work))
    if shared and has_lines_of_many_rows(work.used):
        rows = _with_what_is_left(rows.sort("line", "group"))
    # Size less `short`, less what is free: again a number rounded up, and what it is short of.
    rows = rows.with_columns(_short=pl.col("short") + pl.col("_part"))
    left = pl.col("_size") - pl.col("_free") - pl.col("_short") // pl.col("_over")
    rows = rows.with_columns(_left=left.clip(lower_bound=int128(0)), _sign=pl.col("units").sign())
    short = pl.when(pl.col("_left") > 0).then(pl.col("_short") % pl.col("_over"))
    sign = pl.col("_sign")
    rows = rows.with_columns(
        units=pl.col("_left") * sign,
        short=short.otherwise(int128(0)),
    ).with_columns(
        ((pl.col("_size") - pl.col("_left")) * sign).alias(f"{name}_taken"),
        pl.col("units").alias(f"{name}_left"),
    )
    return replace(
        work, used=rows.select(pl.exclude("^_.*$", "priced")).collect(engine="streaming")
    )


def _numerator(work: Work) -> pl.Expr:
    """Of an agreed quantity the whole allowance counts: the share is taken of what is left."""
    whole = work.of_line(AGREED)
    numerator = pl.when(whole).then(work.of_line("share_denominator"))
    return numerator.otherwise(work.of_line("share_numerator")).cast(pl.Int128)


def _denominator(work: Work) -> pl.Expr:
    return work.of_line("share_denominator").cast(pl.Int128) if work.shared else int128(1)


def _with_share_of_free(rows: pl.LazyFrame, numerator: pl.Expr) -> pl.LazyFrame:
    """`_free` times the share, as `_free` and `_part` over the denominator: a long division."""
    over = pl.col("_over")
    high = pl.col("_free") // int128(LIMB) * numerator
    low = pl.col("_free") % int128(LIMB) * numerator
    rows = rows.with_columns(_high=high // over, _low=high % over * int128(LIMB) + low)
    free = pl.col("_high") * int128(LIMB) + pl.col("_low") // over
    return rows.with_columns(_free=free, _part=pl.col("_low") % over)


def _with_what_is_left(rows: pl.LazyFrame) -> pl.LazyFrame:
    """What the groups before have left of `_free` and `_part`: one running sum over all lines."""
    most = pl.col("_free") + 1
    fits = pl.col("_size") <= most
    rows = rows.with_columns(
        _wanted=pl.min_horizontal("_size", most),
        _lacks=pl.when(fits).then("short").otherwise(int128(0)),
    )
    begins = (pl.col("line") != pl.col("line").shift()).fill_null(value=True)
    for name in ("_wanted", "_lacks"):
        rows = rows.with_columns(pl.col(name).cum_sum() - pl.col(name))
        base = pl.when(begins).then(name).forward_fill()
        rows = rows.with_columns(pl.col(name) - base)
    rows = rows.with_columns(
        _free=pl.col("_free") - pl.col("_wanted"), _part=pl.col("_part") + pl.col("_lacks")
    )
    some = pl.col("_free") + pl.col("_part") // pl.col("_over") >= 0
    return rows.with_columns(
        pl.when(some).then(pl.col(name)).otherwise(int128(0)) for name in ("_free", "_part")
    )


def tell(work: Work, name: str) -> pl.DataFrame | None:
    """`value`: what is free; `units`: what was taken; `quantity`: what was left."""
    if not work.book.says(name):
        return None
    value = work.book.around_of(name)
    return told_units(work.priced_usage(), name, value, f"{name}_taken", f"{name}_left")
