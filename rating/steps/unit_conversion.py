"""Unit conversion: from the unit of a meter to the one that is sold, rounded as the price says.

`unit_conversion` = { per = "1000", round = "up", decimals = 0 } makes 2,700 bytes 3 kilobytes. It
is rounded once, on the whole quantity of the period: 1,400 and then 1,300 more are 2, then 1. Each
group is rounded for itself. `up` counts a begun unit, but gives none back: -1,400 are -1.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import polars as pl

from rating.errors import QuantityTooLargeError
from rating.exact import UNITS_LIMIT, int128
from rating.rounding import rounds_away
from rating.told import told_units
from rating.work import Work

NAME: Final = "unit_conversion"


def run(work: Work) -> Work:
    """Convert `units` of `work.used`. Raises `QuantityTooLargeError` naming the lines."""
    if not work.book.says(NAME):
        return work
    rows = work.priced_usage().with_columns(pl.col("units").alias(f"{NAME}_from"))
    # A step is the least converted quantity that there is, in units of 10^-12 of the meter's.
    step = work.book.around_of(f"{NAME}_step").fill_null(int128(1))
    scale = work.book.around_of(f"{NAME}_scale").fill_null(int128(1))
    rows = rows.with_columns(_step=step, _scale=scale, _size=pl.col("units").abs())
    rows = rows.with_columns(_steps=pl.col("_size") // pl.col("_step"))
    left = pl.col("_size") - pl.col("_steps") * pl.col("_step")
    half = left * int128(2) - pl.col("_step")
    mode = pl.lit(work.book.around[f"{NAME}_round"]).gather(pl.col("priced"))
    begun = (left > 0) & (pl.col("units") > 0)
    odd = pl.col("_steps") % 2 == 1
    away = rounds_away(mode, over=half > 0, even=half == 0, odd=odd, inexact=begun)
    steps = (pl.col("_steps") + away.cast(pl.Int128)).clip(
        upper_bound=int128(UNITS_LIMIT) // pl.col("_scale")
    )
    converted = steps * pl.col("_scale") * pl.col("units").sign()
    said = pl.col("_converts")
    rows = rows.with_columns(_converts=work.book.around_of(NAME).is_not_null())
    rows = rows.with_columns(units=pl.when(said).then(converted).otherwise("units"))
    done = rows.select(pl.exclude("^_.*$", "priced")).collect(engine="streaming")
    over = done.filter(pl.col("units").abs() >= int128(UNITS_LIMIT))
    if over.height:
        raise QuantityTooLargeError(over.select(work.of_line("line_id")).to_series().to_list())
    return replace(work, used=done.with_columns(pl.col("units").alias(f"{NAME}_to")))


def tell(work: Work) -> pl.DataFrame | None:
    """`value`: units of the meter in one that is sold; `units` became `quantity`."""
    if not work.book.says(NAME):
        return None
    value = work.book.around_of(NAME)
    return told_units(work.priced_usage(), NAME, value, f"{NAME}_from", f"{NAME}_to")
