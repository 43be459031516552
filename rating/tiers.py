"""Tiers of all prices of one model as columns: find a row's tier, and what it comes to.

A price is a run of tiers, each above the last one's bound up to its own, which belongs to it. The
amount of a quantity is a sum of steps, one for each tier that it enters:

    step = quantity x unit amount + flat amount

`quantity` are the units inside the tier, or the packages that hold them. Where tiers add up, all
but the last are full: their sum is worked out once for each price, as integers.
A negative quantity is the mirror of a positive one, without flat amounts and begun packages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import polars as pl

from rating.exact import (
    LIMB,
    UNITS_LIMIT,
    Exact,
    divided,
    int128,
    limbs_of,
    product,
    with_number,
    with_split,
)

AMOUNT_PARTS: Final = 2
"""Parts of an amount: a product of two factors of 12 decimals."""

OPEN: Final = UNITS_LIMIT
"""The bound of a tier that has none."""

_INT128_LIMIT: Final = 2**127


@dataclass(frozen=True, slots=True)
class Tier:
    """Units above the bound of the tier before, up to `up_to`; all numbers in units of 10^-12."""

    number: int
    """1 for the first; what people call it."""
    up_to: int
    unit_amount: int = 0
    flat_amount: int = 0
    size: int = 0
    """Units of a package, for which `unit_amount` is then the price; 0: no packages."""
    round_up: bool = True
    """Whether a begun package counts."""

    def amount(self, units: int, *, mirrored: bool) -> int:
        """What so many units inside the tier come to, in units of 10^-24."""
        quantity = units
        if self.size:
            up = self.round_up and not mirrored
            quantity = (-(-units // self.size) if up else units // self.size) * LIMB
        flat = 0 if mirrored else self.flat_amount
        return quantity * self.unit_amount + flat * LIMB


@dataclass(frozen=True, slots=True)
class Extent:
    """What all rows of usage stay within: columns of small numbers take shorter ways."""

    most: int = UNITS_LIMIT
    """No row has more units, of either sign."""
    negative: bool = True
    """Whether any row may be below zero."""

    @classmethod
    def of(cls, used: pl.DataFrame) -> Extent:
        """That of the columns `units` and `negative`."""
        units = pl.col("units")
        least, most, negative = used.select(
            units.min(), units.max().alias("most"), pl.col("negative").any()
        ).row(0)
        return cls(max(-(least or 0), most or 0), negative)


ANY: Final = Extent()


@dataclass(frozen=True, slots=True)
class Run:
    """The tiers of a price for one group of usage, or for every group that has no run."""

    tiers: tuple[Tier, ...]
    group: str | None = None


@dataclass(frozen=True, slots=True)
class TierBook:
    """The tiers of many prices as frames: a tier is known by its row.

    `tiers`: one row per tier. `runs`: one row per run of tiers, with its first and their number.
    `default`: the run of each price that is for any group, null where it has none.
    """

    tiers: pl.DataFrame
    runs: pl.DataFrame
    default: pl.Series
    marginal: bool
    """Whether a quantity fills tier after tier, or takes the price of one for all of it."""

    @classmethod
    def of(cls, prices: Sequence[Sequence[Run]], *, marginal: bool) -> TierBook:
        """The runs of each price; a price has one for any group at most, and each group once."""
        tiers: list[list[object]] = []
        runs: list[tuple[int, str | None, int, int]] = []
        default: list[int | None] = []
        for price, written in enumerate(prices):
            default.append(None)
            for run in written:
                if run.group is None:
                    default[price] = len(runs)
                runs.append((price, run.group, len(tiers), len(run.tiers)))
                tiers += _rows(run.tiers, marginal=marginal)
        return cls(
            pl.DataFrame(tiers, schema=_TIERS, orient="row"),
            pl.DataFrame(runs, schema=_RUNS, orient="row"),
            pl.Series(default, dtype=pl.UInt32),
            marginal,
        )

    def of_tier(self, column: str) -> pl.Expr:
        """A column of the tiers, for the tier that a row stands at."""
        return pl.lit(self.tiers[column]).gather(pl.col("tier"))

    def fits(self, units: int) -> bool:
        """Whether no amount of so many units reaches what one Int128 of 10^-24 holds."""
        if self.tiers.is_empty():
            return True
        unit, flat, full = self.tiers.select("unit_amount", "flat_amount", "full").max().row(0)
        sizes = self.tiers["size"].filter(self.tiers["size"] > 0).to_list()
        quantity = max(units, (units // min(sizes) + 1) * LIMB) if sizes else units
        return bool(quantity * unit + flat * LIMB + full < _INT128_LIMIT)

    def of_run(self, column: str) -> pl.Expr:
        """A column of the runs, for the run that a row takes."""
        return pl.lit(self.runs[column]).gather(pl.col("run"))


def _rows(tiers: Sequence[Tier], *, marginal: bool) -> list[list[object]]:
    lower, full, mirror, flats = 0, 0, 0, 0
    rows: list[list[object]] = []
    for tier in tiers:
        written = [getattr(tier, each.name) for each in fields(Tier)]
        earlier = [*limbs_of(full, AMOUNT_PARTS), *limbs_of(mirror, AMOUNT_PARTS)]
        earlier += [min(full, _INT128_LIMIT - 1), min(mirror, _INT128_LIMIT - 1)]
        rows.append([lower, *written, *earlier, flats + tier.flat_amount])
        if marginal:
            full += tier.amount(tier.up_to - lower, mirrored=False)
            mirror += tier.amount(tier.up_to - lower, mirrored=True)
            lower, flats = tier.up_to, flats + tier.flat_amount
    return rows


_TIERS: Final = pl.Schema(
    {
        "lower": pl.Int128(),
        "number": pl.UInt32(),
        "up_to": pl.Int128(),
        "unit_amount": pl.Int128(),
        "flat_amount": pl.Int128(),
        "size": pl.Int128(),
        "round_up": pl.Boolean(),
        **{f"full_{index}": pl.Int128() for index in range(AMOUNT_PARTS + 1)},
        **{f"mirror_{index}": pl.Int128() for index in range(AMOUNT_PARTS + 1)},
        "full": pl.Int128(),  # in one number, where it fits
        "mirror": pl.Int128(),
        "flats": pl.Int128(),  # flat amounts of a quantity that ends here
    }
)
_RUNS: Final = pl.Schema(
    {"price": pl.UInt32(), "group": pl.String(), "first": pl.UInt32(), "count": pl.UInt32()}
)


def with_run(rows: pl.LazyFrame, book: TierBook) -> pl.LazyFrame:
    """Add `run`: that of the row's group, else that for any group, else null."""
    default = pl.lit(book.default).gather(pl.col("price"))
    named = book.runs.with_row_index("_run").drop_nulls("group")
    if named.is_empty():
        return rows.with_columns(run=default)
    return (
        rows.join(
            named.select("price", "group", "_run").lazy(),
            on=["price", "group"],
            how="left",
            maintain_order="left",
        )
        .with_columns(run=pl.coalesce("_run", default))
        .drop("_run")
    )


def with_tier(rows: pl.LazyFrame, book: TierBook) -> pl.LazyFrame:
    """Add `tier`, where the size of `units` lies within the row's run."""
    most: int = book.runs["count"].max()  # type: ignore[assignment]  # a column of integers
    run = book.of_run("first"), book.of_run("count")
    return with_found(rows, "tier", pl.col("units").abs(), book.tiers["up_to"], run, most)


def with_found(
    rows: pl.LazyFrame,
    name: str,
    size: pl.Expr,
    upper: pl.Series,
    run: tuple[pl.Expr, pl.Expr],
    most: int,
) -> pl.LazyFrame:
    """Add `name`, the first row of `upper` that is not below `size`: found by halving.

    A row of `rows` looks at a `run` of them, the first and the count, `most` at the longest. They
    rise, and the last is above every size.
    """
    frame = rows.with_columns(run[0].alias(name), _high=run[1])
    frame = frame.with_columns(_high=pl.col(name) + pl.col("_high") - 1)
    for _ in range((most - 1).bit_length()):
        frame = frame.with_columns(_middle=(pl.col(name) + pl.col("_high")) // 2)
        frame = frame.with_columns(_beyond=size > pl.lit(upper).gather(pl.col("_middle")))
        frame = frame.with_columns(
            pl.when("_beyond").then(pl.col("_middle") + 1).otherwise(name).alias(name),
            _high=pl.when("_beyond").then("_high").otherwise("_middle"),
        )
    return frame.drop("_high", "_middle", "_beyond", strict=False)


def with_amount(
    rows: pl.LazyFrame, book: TierBook, *, earlier: bool, within: Extent = ANY
) -> pl.LazyFrame:
    """Add the step of each row at its tier, and the number `amount`.

    Reads `units`, `tier`, `negative` (what was used was below zero, even where all of it is free
    and no units are left) and `short` (see `pieces.Pieces`). Adds `step_units`, `step_quantity` and
    `step_flat`, Int128 in units of 10^-12. `amount` is that of the step, and with `earlier` of all
    the full tiers before it, too. A `step_quantity` of 10^38 is too large.
    """
    sign = pl.when("negative").then(int128(-1)).otherwise(int128(1))
    mirrored = pl.col("negative")
    size, flat = pl.col("units"), book.of_tier("flat_amount")
    if within.negative:
        size, flat = size.abs(), pl.when(mirrored).then(int128(0)).otherwise(flat)
    frame = rows.with_columns(step_units=size - book.of_tier("lower"), step_flat=flat)
    quantity = pl.col("step_units")
    if (book.tiers["size"] > 0).any():
        size = book.of_tier("size")
        up = book.of_tier("round_up") & ~mirrored
        # A quantity that is short of `units` has begun the last of them, and not filled it.
        whole = quantity - ((pl.col("short") > 0) & ~up).cast(pl.Int128)
        packages = divided(whole, size.clip(lower_bound=int128(1)), up=up) * int128(LIMB)
        quantity = pl.when(size > 0).then(packages).otherwise(quantity)
    frame = frame.with_columns(step_quantity=quantity)
    if within.negative:
        frame = frame.with_columns(_sign=sign)
    if book.fits(within.most):
        amount = _at_once(book, earlier=earlier, within=within)
        amount = amount * pl.col("_sign") if within.negative else amount
        frame = with_split(frame, "amount", amount, AMOUNT_PARTS)
    else:
        limbs = _limbs(book, earlier=earlier, within=within)
        limbs = [limb * pl.col("_sign") for limb in limbs] if within.negative else limbs
        frame = with_number(frame, "amount", limbs)
    if not within.negative:
        return frame
    signed = [pl.col(name) * pl.col("_sign") for name in ("step_units", "step_quantity")]
    return frame.with_columns(signed).drop("_sign")


def _at_once(book: TierBook, *, earlier: bool, within: Extent) -> pl.Expr:
    """The size of an amount in units of 10^-24, where `TierBook.fits`."""
    amount = pl.col("step_quantity") * book.of_tier("unit_amount")
    amount += pl.col("step_flat") * int128(LIMB)
    return amount + _full(book, "", within) if earlier and book.marginal else amount


def _limbs(book: TierBook, *, earlier: bool, within: Extent) -> list[pl.Expr]:
    """Raw limbs of the size of an amount."""
    unit = Exact.of_units(book.of_tier("unit_amount"))
    step = product(Exact.of_units(pl.col("step_quantity")), unit)
    flat = Exact.of_units(pl.col("step_flat")).widened(AMOUNT_PARTS)
    limbs = [mine + other for mine, other in zip(step, flat.limbs, strict=True)]
    if earlier and book.marginal:
        for at in range(AMOUNT_PARTS + 1):
            limbs[at] += _full(book, f"_{at}", within)
    return limbs


def _full(book: TierBook, limb: str, within: Extent) -> pl.Expr:
    """What the full tiers before that of each row come to, or a limb of it."""
    full = book.of_tier(f"full{limb}")
    if not within.negative:
        return full
    return pl.when("negative").then(book.of_tier(f"mirror{limb}")).otherwise(full)


def all_steps(rows: pl.LazyFrame, book: TierBook) -> pl.LazyFrame:
    """One row per tier that a row of `rows` enters, with its step; they sum to the row's amount."""
    if not book.marginal:
        return with_amount(rows, book, earlier=False)
    first = book.of_run("first")
    entered = rows.with_columns(_units="units", tier=pl.int_ranges(first, pl.col("tier") + 1))
    each = entered.explode("tier", empty_as_null=False, keep_nulls=False).with_columns(
        pl.col("tier").cast(pl.UInt32)
    )
    bound = pl.min_horizontal(pl.col("units").abs(), book.of_tier("up_to"))
    last = bound == pl.col("units").abs()
    inside = each.with_columns(
        units=bound * pl.col("units").sign(), short=pl.col("short") * last.cast(pl.Int128)
    )
    return with_amount(inside, book, earlier=False).with_columns(units="_units").drop("_units")
