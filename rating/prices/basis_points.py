"""Basis points: a rate of 1/10,000 of the value of each event, up to a cap for each.

Parameters: `bps` and maybe `cap` in currency units; or `tiers`, each with `up_to` (a bound that
belongs to the tier; the last has none), `bps` and maybe `cap`, with `by` = "part" (default) or
"total". By part, tiers fill with the value so far, in the order of time: an event that crosses a
bound is parted there, and each part costs its tier's rate, its cap at most. By total, the tier that
the whole value reaches prices every event.
A negative value is the mirror: it takes back at the rate of the tier that it leaves.
25 at a cap of 25: 5,000 + 10,000 + 20,000 → 12.5 + 25 + 25 = 62.5.
"""

from __future__ import annotations

from typing import ClassVar

import polars as pl

from rating.bands import Band, BandBook, Banded, parted
from rating.errors import PriceParameterError
from rating.events import Events
from rating.exact import int128
from rating.prices.base import EventPriceModel, Terms, over_events, read_bounds
from rating.prices.reading import Fields
from rating.tiers import OPEN, with_found

_ONE = 10_000


class BasisPointsPrice(EventPriceModel):
    """A share of each event, by tiers of the value and up to a cap."""

    name: ClassVar[str] = "basis_points"

    def read(self, fields: Fields) -> Terms:
        """`bps` and `cap`, or `tiers` and `by`."""
        if not fields.has("tiers"):
            return over_events(fields, Banded((_band(fields, 1, OPEN),), {"by_total": 0}))
        if fields.has("bps") or fields.has("cap"):
            raise PriceParameterError("bps", "stands in each tier where there are tiers")
        by_total = fields.choice("by", ("part", "total"), "part") == "total"
        bands = []
        for number, (each, up_to) in enumerate(read_bounds(fields), start=1):
            bands.append(_band(each, number, up_to))
            each.done()
        return over_events(fields, Banded(tuple(bands), {"by_total": int(by_total)}))

    def parts(self, events: Events, book: BandBook) -> pl.LazyFrame:
        """Each event in the band of all, or one part for each band that it enters."""
        by_total = events.of_price(book.prices["by_total"]) == 1
        rows = events.rows.lazy().select("cell", "units")
        if not (book.prices["by_total"] == 1).any():
            return _by_part(events, rows, book)
        whole = _by_total(events, rows.filter(by_total), book)
        return pl.concat([whole, _by_part(events, rows, book).filter(~by_total)])


def _band(fields: Fields, number: int, up_to: int) -> Band:
    cap = fields.amount("cap") if fields.has("cap") else None
    return Band(number, fields.share("bps", _ONE), maximum=cap, up_to=up_to)


def _found(
    rows: pl.LazyFrame, name: str, size: pl.Expr, run: tuple[pl.Expr, pl.Expr], book: BandBook
) -> pl.LazyFrame:
    most: int = book.prices["count"].max()  # type: ignore[assignment]  # a column of integers
    return with_found(rows, name, size, book.bands["up_to"], run, most)


def _run(events: Events, book: BandBook) -> tuple[pl.Expr, pl.Expr]:
    return events.of_price(book.prices["first"]), events.of_price(book.prices["count"])


def _by_total(events: Events, rows: pl.LazyFrame, book: BandBook) -> pl.LazyFrame:
    price = pl.col("price")
    run = tuple(pl.lit(book.prices[name]).gather(price) for name in ("first", "count"))
    cells = events.cells.lazy().select("price", size=pl.col("units").abs())
    band = _found(cells, "band", pl.col("size"), (run[0], run[1]), book).collect()["band"]
    value = pl.col("units").alias("value")
    return rows.select("cell", events.of_cell(band).alias("band"), value, fee=pl.lit(value=False))


def _by_part(events: Events, rows: pl.LazyFrame, book: BandBook) -> pl.LazyFrame:
    """From the value before an event to that after it; below zero tiers are mirrored."""
    after = events.so_far(pl.col("units"))
    rows = rows.with_columns(after=after).with_columns(before=pl.col("after") - pl.col("units"))
    zero = int128(0)
    if (events.rows["units"] < 0).any():
        sides = [
            rows.with_columns((pl.col("after", "before") * int128(sign)).clip(lower_bound=zero))
            for sign in (1, -1)
        ]
        rows = pl.concat(sides)
    rows = rows.select(
        "cell",
        sign=pl.col("units").sign(),
        low=pl.min_horizontal("before", "after"),
        high=pl.max_horizontal("before", "after"),
    ).filter(pl.col("low") < pl.col("high"))
    rows = _found(rows, "band", pl.col("high"), _run(events, book), book)
    lower = pl.lit(book.bands["up_to"].shift(fill_value=0)).gather(pl.col("band"))
    first = events.of_price(book.prices["first"])
    # A tier begins where the one before ends; the first of a price at 0.
    begins = pl.when(pl.col("band") == first).then(zero).otherwise(lower)
    within, crossing = parted(rows, pl.col("low") < begins)
    return pl.concat(
        [
            _parts(within, pl.col("low"), pl.col("high")),
            _crossing(events, crossing, book),
        ]
    )


def _crossing(events: Events, rows: pl.LazyFrame, book: BandBook) -> pl.LazyFrame:
    """A part for each band from that of the low end, where the next least value lies."""
    least = pl.col("low") + int128(1)
    rows = _found(rows, "start", least, _run(events, book), book)
    rows = rows.with_columns(band=pl.int_ranges(pl.col("start"), pl.col("band") + 1))
    each = rows.explode("band", empty_as_null=False, keep_nulls=False)
    each = each.with_columns(pl.col("band").cast(pl.UInt32))
    bound = pl.lit(book.bands["up_to"])
    begins = bound.gather(pl.max_horizontal(pl.col("band"), pl.lit(1, pl.UInt32)) - 1)
    low = pl.when(pl.col("band") == pl.col("start")).then("low").otherwise(begins)
    high = pl.min_horizontal(pl.col("high"), bound.gather(pl.col("band")))
    return _parts(each, low, high)


def _parts(rows: pl.LazyFrame, low: pl.Expr, high: pl.Expr) -> pl.LazyFrame:
    value = ((high - low) * pl.col("sign")).alias("value")
    return rows.select("cell", pl.col("band").cast(pl.UInt32), value, fee=pl.lit(value=False))
