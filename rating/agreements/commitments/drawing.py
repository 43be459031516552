"""How usage draws on a commitment: what rolled in first, then what is committed, the rest is over.

Each is a function of all that a term used so far, so a stretch has what its end has more than its
beginning. Usage below zero draws nothing: later usage makes up for it first.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from rating.agreements.base import HOLDER, as_before
from rating.errors import NotInForceError
from rating.exact import LIMB, Exact, decimal_of, int128, units_of, with_product
from rating.rounding import rounds_away, with_minor

_TERM: Final = (*HOLDER, "term_start")
_ZERO: Final = int128(0)
_HUNDRED: Final = 100 * LIMB


def with_committed(rows: pl.DataFrame, phases: pl.DataFrame) -> pl.DataFrame:
    """Add `whole` of the phase that a term begins in, and `committed`, the term's share of it.

    The share is the difference of two rounded ones: those of a period's parts sum to the whole.
    Raises `NotInForceError` naming the rows of terms before the first phase.
    """
    terms = rows.select("agreement_id", "term_start").unique().sort("term_start")
    phased = terms.join_asof(
        phases.sort("from"),
        left_on="term_start",
        right_on="from",
        by="agreement_id",
        strategy="backward",
        check_sortedness=False,
    ).select("agreement_id", "term_start", "whole")
    dated = rows.join(phased, on=["agreement_id", "term_start"], how="left", maintain_order="left")
    early = dated.filter(pl.col("whole").is_null())
    if early.height:
        raise NotInForceError("phases", early.sort("row")["line_id"].to_list())
    of, grain = pl.col("share_of").cast(pl.Int128), pl.col("grain")
    shares = [
        _part(pl.col("whole") // grain, pl.col(name).cast(pl.Int128), of) * grain
        for name in ("share_after", "share_before")
    ]
    return dated.with_columns(committed=shares[0] - shares[1])


def _part(number: pl.Expr, numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """A whole number x a ratio of at most 1, rounded by the mode of the row.

    The number stays below 10^30, the denominator below 10^18: no product leaves an Int128.
    """
    inner = (number % denominator) * numerator
    below = (number // denominator) * numerator + inner // denominator
    left = inner % denominator
    half = left * int128(2) - denominator
    away = rounds_away(
        pl.col("rounding_mode"), over=half > 0, even=half == 0, odd=below % 2 == 1, inexact=left > 0
    )
    return below + away.cast(pl.Int128)


def with_drawn(rows: pl.DataFrame) -> pl.DataFrame:
    """Add what each stretch draws, and what is left at a term's end: Int128 in units of 10^-12.

    Reads `committed`, `rolled_in`, `used_before` (in the term, before these rows) and `used`.
    Rows are sorted by `HOLDER` and start.
    """
    used = units_of(pl.col("used"))
    # One running sum over all rows, less what it was where the term begins. Should it wrap, so does
    # what it was, and their difference is right.
    frame = rows.with_columns(units=used, _sum=used.cum_sum(), _follows=as_before(*_TERM))
    base = pl.when(~pl.col("_follows")).then(pl.col("_sum") - pl.col("units")).forward_fill()
    frame = frame.with_columns(after=pl.col("_sum") - base + pl.col("used_before"))
    frame = frame.with_columns(before=pl.col("after") - pl.col("units"))
    parts = []
    for at in ("before", "after"):
        size, rolled, own = pl.col(at), pl.col("rolled_in"), pl.col("committed")
        parts += [
            size.clip(_ZERO, rolled).alias(f"drawn_rolled_in_{at}"),
            (size - rolled).clip(_ZERO, own).alias(f"drawn_{at}"),
            (size - rolled - own).clip(lower_bound=_ZERO).alias(f"over_{at}"),
        ]
    frame = frame.with_columns(parts)
    frame = frame.with_columns(
        *(
            (pl.col(f"{name}_after") - pl.col(f"{name}_before")).alias(name)
            for name in ("drawn_rolled_in", "drawn", "over")
        ),
        ends=pl.col("end") == pl.col("term_end"),
        _unused=pl.col("committed") - pl.col("drawn_after"),
        _left=pl.col("rolled_in") - pl.col("drawn_rolled_in_after"),
    )
    grain = pl.col("grain")
    rolls = _part(pl.col("_unused") // grain, pl.col("roll_percent"), int128(_HUNDRED)) * grain
    frame = frame.with_columns(_rolls=pl.min_horizontal(rolls, "roll_cap"))
    ended = {
        "unused": pl.col("_unused"),
        "rolled_over": pl.col("_rolls"),
        "lapsed": pl.col("_unused") + pl.col("_left") - pl.col("_rolls"),
    }
    return frame.with_columns(
        pl.when("ends").then(each).otherwise(_ZERO).alias(name) for name, each in ended.items()
    ).drop("_unused", "_left", "_rolls", "_sum")


def with_due(rows: pl.DataFrame) -> pl.DataFrame:
    """Add what falls due in each stretch, in minor units, Int128.

    Usage and overage are what all of the term's come to, rounded, less what was billed before.
    """
    postpaid = ~pl.col("prepaid")
    rate, over_rate = Exact.of_units(pl.col("rate")), Exact.named("over_rate", 2)
    priced = [
        ("committed", pl.col("committed"), rate, 2),
        ("usage", pl.col("drawn_after") * postpaid.cast(pl.Int128), rate, 2),
        ("overage", pl.col("over_after"), over_rate, 3),
    ]
    frame = rows.lazy()
    for name, size, factor, parts in priced:
        frame = with_product(frame, f"_{name}", Exact.of_units(size), factor)
        frame = with_minor(frame, Exact.named(f"_{name}", parts), name=f"{name}_total")
        frame = frame.drop(f"_{name}_{at}" for at in range(parts + 1))
    for name in ("usage", "overage"):
        billed = pl.col(f"{name}_total").shift()
        before = pl.when("_follows").then(billed).otherwise(f"{name}_before")
        frame = frame.with_columns((pl.col(f"{name}_total") - before).alias(f"{name}_minor"))
    begins = pl.col("start") == pl.col("term_start")
    lacking = pl.col("committed_total") - pl.col("usage_total")
    return frame.with_columns(
        fee_minor=pl.when(pl.col("prepaid") & begins).then("committed_total").otherwise(_ZERO),
        true_up_minor=pl.when(postpaid & pl.col("ends")).then(lacking).otherwise(_ZERO),
    ).collect()


def as_decimals(rows: pl.DataFrame, *names: str) -> pl.DataFrame:
    """Columns of units of 10^-12 as decimals."""
    return rows.with_columns(decimal_of(pl.col(name)) for name in names)
