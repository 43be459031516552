"""The price models over all rows of usage, and their rows summed into lines or told step by step.

A piece is one row of usage with its tier and its exact amount. Both `rated` and `derived` are made
of the same pieces, by the same arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from rating.bands import as_steps, charged
from rating.book import PriceBook
from rating.errors import AmountTooLargeError, QuantityTooLargeError, UnpricedGroupError
from rating.events import Events
from rating.exact import LIMB, UNITS_LIMIT, Exact, decimal_of, int128, total, with_number
from rating.prices import MODELS
from rating.prices.base import EventPriceModel
from rating.sums import has_lines_of_many_rows, unit_limbs, with_quantity
from rating.tiers import AMOUNT_PARTS, Extent, TierBook, all_steps, with_amount, with_run
from rating.told import TOLD, amount_columns, as_told

_AMOUNT_LIMIT = 10**18
"""No currency's minor unit is larger than its unit: a piece that reaches this is over for sure."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """The rows of one model: `line`, `group`, `units`, `negative`, `run`, `tier`, step, amount.

    `short`: by how much the size of the units is rounded up, over 10^12 times the denominator of
    the line's share. Bounds have 12 decimals, so the tier is that of the exact quantity, too.
    Those of a model over single events are its steps: several rows for a line and group.
    """

    book: TierBook
    rows: pl.DataFrame
    fixed: bool
    """Whether the price of a unit is that of a period."""
    are_steps: bool = False


def make_pieces(
    lines: pl.DataFrame, used: pl.DataFrame, events: Events, book: PriceBook
) -> list[Pieces]:
    """Find tier and amount of every row, a model at a time.

    Raises `UnpricedGroupError`, `AmountTooLargeError` and `QuantityTooLargeError` naming the lines.
    """
    model_of = pl.lit(lines["model_index"]).gather(pl.col("line"))
    price_of = pl.lit(lines["price"]).gather(pl.col("line"))
    present = set(lines["model_index"].unique())
    within = Extent.of(used)
    made = []
    for index, model in enumerate(MODELS):
        if index not in present:
            continue
        tiers = book.tiers[index]
        if isinstance(model, EventPriceModel):
            mine = events.of_model(index)
            if mine.rows.is_empty():
                continue
            bands = book.bands[index]
            steps = as_steps(charged(model.parts(mine, bands), bands), mine, tiers)
            made.append(Pieces(tiers, steps, fixed=False, are_steps=True))
            _check(steps, lines)
            continue
        rows = used.lazy().select("line", "group", "units", "negative", "short")
        if len(present) > 1:
            rows = rows.filter(model_of == index)
        rows = with_run(rows.with_columns(price=price_of), tiers)
        rows = with_amount(model.with_tiers(rows, tiers), tiers, earlier=True, within=within)
        pieces = Pieces(tiers, rows.collect(engine="streaming"), model.fixed)
        _check(pieces.rows, lines)
        made.append(pieces)
    return made


def _check(rows: pl.DataFrame, lines: pl.DataFrame) -> None:
    line_id = pl.lit(lines["line_id"]).gather(pl.col("line"))
    if rows["run"].null_count():
        unpriced = rows.filter(pl.col("run").is_null())
        named = unpriced.select(pl.concat_str(line_id, "group", separator=" ")).to_series()
        raise UnpricedGroupError(named.to_list())
    quantity = pl.col("step_quantity").abs() >= int128(UNITS_LIMIT)
    if rows.select(quantity.any()).item():
        raise QuantityTooLargeError(_line_ids(rows.filter(quantity), line_id))
    amount = pl.col("amount_0").abs() >= int128(_AMOUNT_LIMIT)
    if rows.select(amount.any()).item():
        raise AmountTooLargeError(_line_ids(rows.filter(amount), line_id))


def _line_ids(rows: pl.DataFrame, line_id: pl.Expr) -> list[str]:
    return rows.unique("line", maintain_order=True).select(line_id).to_series().to_list()


def sum_lines(made: list[Pieces], lines: pl.DataFrame, *, shared: bool) -> pl.DataFrame:
    """`lines` with the number `amount`, `quantity` and `unit_amount`; zero where a line has none.

    Where shares count, also the raw limbs `flat`, of the fixed amounts in `amount`, and `short`, by
    how much it is too large, over the denominator.

    Raises `QuantityTooLargeError` for a line whose groups sum to 10^26 and more, and
    `AmountTooLargeError` for one that reaches 10^18 currency units before what stands around it.
    """
    fixed = _FIXED if shared else ()
    zero = _NOTHING.with_columns(int128(0).alias(name) for name in fixed)
    summed = pl.concat([zero, *(_summed(pieces, shared=shared) for pieces in made)])
    if len(made) > 1:
        summed = summed.sort("line")
    if summed["line"].equals(lines["line"]):
        found = lines.with_columns(summed)
    else:
        found = lines.join(summed, on="line", how="left", maintain_order="left").with_columns(
            pl.col(*_LIMBS, "units_0", "units_1", *fixed).fill_null(int128(0))
        )
    amount = pl.any_horizontal(
        pl.col(name).abs() >= int128(_AMOUNT_LIMIT) for name in ("amount_0", *fixed[:1])
    )
    if found.select(amount.any()).item():
        raise AmountTooLargeError(found.filter(amount)["line_id"].to_list())
    return with_quantity(found, "quantity").drop("units_0", "units_1")


_LIMBS = tuple(f"amount_{at}" for at in range(AMOUNT_PARTS + 1))


def _summed(pieces: Pieces, *, shared: bool) -> pl.DataFrame:
    book = pieces.book
    plain = (book.of_tier("size") == 0) & (pl.col("step_flat") == 0)
    if book.marginal:
        plain &= pl.col("tier") == book.of_run("first")
    if pieces.are_steps:
        plain &= pl.col("units") == pl.col("step_quantity")
    unit = pl.when(plain).then(book.of_tier("unit_amount"))
    fixed = _fixed(pieces) if shared else []
    rows = pieces.rows.lazy().select(
        "line", *_LIMBS, *unit_limbs(), unit.alias("unit_amount"), *fixed
    )
    if has_lines_of_many_rows(pieces.rows):
        only = pl.when(pl.len() == 1).then(pl.col("unit_amount").first())
        sums = [*total("amount", AMOUNT_PARTS), *total("units", 1), only]
        rows = rows.group_by("line").agg(*sums, *(pl.col(name).sum() for name in _FIXED if shared))
        rows = with_number(rows, "amount", Exact.named("amount", AMOUNT_PARTS).limbs)
        rows = with_number(rows, "units", Exact.named("units", 1).limbs)
    return rows.with_columns(decimal_of(pl.col("unit_amount"))).collect(engine="streaming")


_FIXED: Final = ("flat_0", "flat_1", "short_1", "short_2")


def _fixed(pieces: Pieces) -> list[pl.Expr]:
    if pieces.are_steps:  # fees of an event are for the event, whatever the period
        return [int128(0).alias(name) for name in _FIXED]
    book, limb = pieces.book, int128(LIMB)
    unit, size = book.of_tier("unit_amount"), book.of_tier("size")
    flats = unit if pieces.fixed else book.of_tier("flats")
    flats = pl.when("negative").then(int128(0)).otherwise(flats)
    slope = pl.when(size == 0).then(unit).otherwise(int128(0)) * pl.col("units").sign()
    short = pl.col("short")
    limbs = [flats // limb, flats % limb, short * (slope // limb), short * (slope % limb)]
    return [each.alias(name) for name, each in zip(_FIXED, limbs, strict=True)]


def tell(made: list[Pieces]) -> pl.DataFrame:
    """Every step of the models as rows of `told.TOLD`, by line."""
    parts = [pl.DataFrame(schema=TOLD)]
    for pieces in made:
        rows = pieces.rows.lazy()
        if not pieces.are_steps:
            names = ("line", "group", "run", "tier", "units", "negative", "short")
            rows = all_steps(rows.select(names), pieces.book)
        steps = rows.select(
            "line",
            "group",
            pl.lit("price").alias("name"),
            pieces.book.of_tier("number").alias("tier"),
            decimal_of(pl.col("step_units")).alias("units"),
            decimal_of(pl.col("step_quantity")).alias("quantity"),
            decimal_of(pieces.book.of_tier("unit_amount")).alias("unit_amount"),
            decimal_of(pl.col("step_flat")).alias("flat_amount"),
            *amount_columns(Exact.named("amount", AMOUNT_PARTS)),
        )
        parts.append(as_told(steps))
    return pl.concat(parts).sort("line", "group", "tier", maintain_order=True)


_NOTHING = pl.DataFrame(
    schema={
        "line": pl.UInt32(),
        **dict.fromkeys((*_LIMBS, "units_0", "units_1"), pl.Int128()),
        "unit_amount": pl.Decimal(38, 12),
    }
)
