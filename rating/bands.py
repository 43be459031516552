"""Bands of prices over single events: what part of an event costs which rate, within which bounds.

A part of an event lies in one band and costs

    clamp(value x rate + fixed, minimum, maximum)

All of a band's parts are then five sums, and their amount is exact without a product per event:

| rule | units | quantity | unit amount |
|---|---|---|---|
| free | value that is free | the same | 0 |
| rate | value of parts within the bounds | the same | rate |
| fixed | 0 | how many of them pay it | fixed |
| minimum | value of parts below | how many | minimum |
| maximum | value of parts above | how many, less those of negative value | maximum |

Whether a part lies beyond a bound is asked of its value: `value x rate + fixed < minimum` is the
same as `value < ceil((minimum - fixed) / rate)`, which is worked out once for each band.
A part of negative value is the mirror: it has no fixed amount and no minimum.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from rating.events import Events
from rating.exact import LIMB, UNITS_LIMIT, Exact, int128, with_product
from rating.tiers import OPEN, Tier, TierBook

RULES: Final = 5
"""Tiers of a band, in the order of the table above."""

_FREE, _RATE, _FIXED, _MINIMUM, _MAXIMUM = range(RULES)
_MOST: Final = UNITS_LIMIT - 1


@dataclass(frozen=True, slots=True)
class Band:
    """One band; all numbers in units of 10^-12."""

    number: int
    """1 for the first; what people call it."""
    rate: int
    fixed: int = 0
    minimum: int | None = None
    maximum: int | None = None
    up_to: int = OPEN

    def tiers(self) -> Iterator[Tier]:
        """One for each rule."""
        yield Tier(0, OPEN)
        for amount in (self.rate, self.fixed, self.minimum or 0, self.maximum or 0):
            yield Tier(self.number, OPEN, unit_amount=amount)

    def below(self) -> int:
        """Parts of a smaller value cost the minimum."""
        if self.minimum is None or self.minimum <= self.fixed:
            return -_MOST
        return (
            min(-((self.fixed - self.minimum) * LIMB // self.rate), _MOST) if self.rate else _MOST
        )

    def above(self, fixed: int) -> int:
        """Parts of a larger value cost the maximum."""
        if self.maximum is None:
            return _MOST
        if not self.rate:
            return _MOST if self.maximum >= fixed else -_MOST
        return max(-_MOST, min((self.maximum - fixed) * LIMB // self.rate, _MOST))


@dataclass(frozen=True, slots=True)
class Banded:
    """The bands of one price, by rising bound, and what else its model wants to know per price."""

    bands: tuple[Band, ...]
    terms: Mapping[str, int] = field(default_factory=dict)
    """The same names for each price of a model; below 10^38."""
    cuts: tuple[tuple[int, int], ...] = ()
    """Of a price by place: up to where (below 2^63), and in which of the bands, counted from 0."""

    def tiers(self) -> tuple[Tier, ...]:
        """All rules of all bands: that of a band stands at `band x RULES + rule`."""
        return tuple(tier for band in self.bands for tier in band.tiers())

    def bounds(self) -> list[int]:
        """Values, above zero, at which what one event costs may change its course."""
        of_bands = (
            value
            for band in self.bands
            for value in (band.up_to, band.below(), band.above(band.fixed))
        )
        return [value for value in of_bands if 0 < value < _MOST]


_BANDS: Final = pl.Schema(
    {
        "up_to": pl.Int128(),
        "fixed": pl.Int128(),
        "below": pl.Int128(),
        "above": pl.Int128(),  # for parts with the fixed amount
        "above_plain": pl.Int128(),  # for parts without it
    }
)


_CUTS: Final = pl.Schema({"up_to": pl.Int64(), "band": pl.UInt32()})
_RUNS: Final = ("first", "count", "cut_first", "cut_count")


@dataclass(frozen=True, slots=True)
class BandBook:
    """The bands of many prices: a band is known by its row; `prices` has one row per price."""

    bands: pl.DataFrame
    prices: pl.DataFrame
    """`first` band and their `count`, `cut_first` and `cut_count`, and the terms."""
    cuts: pl.DataFrame
    """`up_to` and `band`, the row of `bands`."""

    @classmethod
    def of(cls, written: Sequence[Banded]) -> BandBook:
        """The bands of each price of one model."""
        rows: list[tuple[int, ...]] = []
        prices = []
        cuts: list[tuple[int, int]] = []
        for each in written:
            runs = (len(rows), len(each.bands), len(cuts), len(each.cuts))
            prices.append({**dict(zip(_RUNS, runs, strict=True)), **each.terms})
            cuts += [(up_to, len(rows) + band) for up_to, band in each.cuts]
            rows += [
                (band.up_to, band.fixed, band.below(), band.above(band.fixed), band.above(0))
                for band in each.bands
            ]
        names = list(prices[0]) if prices else _RUNS
        frame = pl.DataFrame(prices, schema=dict.fromkeys(names, pl.Int128()), orient="row")
        return cls(
            pl.DataFrame(rows, schema=_BANDS, orient="row"),
            frame.with_columns(pl.col(*_RUNS).cast(pl.UInt32)),
            pl.DataFrame(cuts, schema=_CUTS, orient="row"),
        )

    def of_band(self, column: str) -> pl.Expr:
        """A column of the bands, for the band that a row stands at."""
        values = self.bands[column]
        if values.n_unique() == 1:
            return int128(values[0])
        return pl.lit(values).gather(pl.col("band"))

    def has(self, column: str) -> bool:
        """Whether any part can lie beyond this bound."""
        never = -_MOST if column == "below" else _MOST
        return bool((self.bands[column] != never).any())


def parted(rows: pl.LazyFrame, crossing: pl.Expr) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Rows that stay within a bound, and the few that cross it; worked out once for both."""
    done = rows.with_columns(_crossing=crossing).collect(engine="streaming")
    few = done["_crossing"]
    done = done.drop("_crossing")
    within = done.filter(~few) if few.any() else done
    return within.lazy(), done.filter(few).lazy()


def charged(parts: pl.LazyFrame, book: BandBook) -> pl.DataFrame:
    """Parts of events summed: `cell`, `tier`, `units` and `step_quantity`, in units of 10^-12.

    Parts have `cell`, `band`, `value` and `fee`, whether they are an event that pays the fixed
    amount; maybe `units`, what counts as used, where it is not the value; maybe `free`, units of
    the event beside the part that cost nothing.
    """
    known = parts.collect_schema().names()
    units = pl.col("units" if "units" in known else "value")
    parts = parts.with_columns(_bounds(book))
    pays = pl.col("fee") & (book.of_band("fixed") > 0)
    zero = int128(0)
    signed = pl.when("fee").then(int128(1)).otherwise(pl.col("value").sign())
    within = ~(pl.col("below") | pl.col("above"))
    sums = {
        "rate": pl.when(within).then("value").otherwise(zero),
        "rate_units": pl.when(within).then(units).otherwise(zero),
        "fixed": within & pays,
        "minimum": pl.col("below"),
        "minimum_units": pl.when("below").then(units).otherwise(zero),
        "maximum": pl.when("above").then(signed).otherwise(zero),
        "maximum_units": pl.when("above").then(units).otherwise(zero),
        "free": pl.col("free") if "free" in known else zero,
    }
    if not book.has("below"):
        del sums["minimum"], sums["minimum_units"]
    if not book.has("above"):
        del sums["maximum"], sums["maximum_units"]
    if not (book.has("below") or book.has("above")):
        sums |= {"rate": pl.col("value"), "rate_units": units, "fixed": pays}
    if not (book.bands["fixed"] > 0).any():
        del sums["fixed"]
    one_band = bool((book.prices["count"] == 1).all())
    keys = ["cell"] if one_band else ["cell", "band"]
    told = [pl.col("band").first()] if one_band else []
    wide = (
        parts.select("cell", "band", **sums)
        .group_by(keys)
        .agg(*told, *(pl.col(name).sum() for name in sums))
        .collect(engine="streaming")
    )
    return _by_rule(wide)


def _bounds(book: BandBook) -> list[pl.Expr]:
    """`below` and `above`: whether a part costs the minimum, or the maximum."""
    never = pl.lit(value=False)
    below = pl.col("fee") & (pl.col("value") < book.of_band("below"))
    plain = pl.col("value").abs() > book.of_band("above_plain")
    above = pl.when("fee").then(pl.col("value") > book.of_band("above")).otherwise(plain)
    return [
        (below if book.has("below") else never).alias("below"),
        (above if book.has("above") else never).alias("above"),
    ]


def _by_rule(wide: pl.DataFrame) -> pl.DataFrame:
    """One row for each rule that something came under."""
    zero, one = int128(0), int128(LIMB)
    # A quantity of events is their number; at the maximum, less those of negative value.
    rules = [
        (_FREE, "free", "free", int128(1)),
        (_RATE, "rate_units", "rate", int128(1)),
        (_FIXED, None, "fixed", one),
        (_MINIMUM, "minimum_units", "minimum", one),
        (_MAXIMUM, "maximum_units", "maximum", one),
    ]
    rows = []
    for rule, units, quantity, scale in rules:
        if quantity not in wide.columns:
            continue
        each = wide.select(
            "cell",
            (pl.col("band") * RULES + rule).cast(pl.UInt32).alias("tier"),
            (pl.col(units) if units else zero).alias("units"),
            (pl.col(quantity).cast(pl.Int128) * scale).alias("step_quantity"),
        )
        rows.append(each.filter((pl.col("units") != 0) | (pl.col("step_quantity") != 0)))
    return pl.concat(rows)


def as_steps(rows: pl.DataFrame, events: Events, tiers: TierBook) -> pl.DataFrame:
    """Rows of `charged` as `pieces.Pieces` has them: each is a step, with its amount."""
    unit = Exact.of_units(tiers.of_tier("unit_amount"))
    lines = rows.lazy().with_columns(
        pl.lit(events.cells["line"]).gather(pl.col("cell")).alias("line"),
        pl.lit(events.cells["group"]).gather(pl.col("cell")).alias("group"),
        run=pl.lit(0, pl.UInt32),
        step_units=pl.col("units"),
        step_flat=int128(0),
    )
    lines = with_product(lines, "amount", Exact.of_units(pl.col("step_quantity")), unit)
    return lines.sort("line", "group", "tier").drop("cell").collect(engine="streaming")
