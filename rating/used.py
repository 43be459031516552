"""What each line is rated for: its usage, one row per line and group."""

from __future__ import annotations

from typing import Final

import polars as pl

from rating.around import UNIT_FIELDS
from rating.book import PriceBook
from rating.errors import RatingInputError
from rating.events import Events
from rating.exact import LIMB, Exact, int128, total, units_of, with_number
from rating.frames import GROUPED_USAGE, PERIOD_KEY, QUANTITY_DTYPE, USAGE, check_schema
from rating.matching import matched
from rating.sums import unit_limbs, with_quantity

_KEY: Final = (*PERIOD_KEY, "meter_id", "group_by")


def checked_usage(usage: pl.DataFrame) -> pl.DataFrame:
    """`GROUPED_USAGE`, of that or of `USAGE`. Raises `RatingInputError`."""
    if usage.schema == USAGE:
        usage = usage.with_columns(group_by=pl.lit(""), group=pl.lit(""))
    check_schema("usage", usage, GROUPED_USAGE, (*PERIOD_KEY, "meter_id", "group_by", "group"))
    if usage["quantity"].null_count():
        raise RatingInputError("usage: quantity must be present")
    return usage


def usage_rows(lines: pl.DataFrame, usage: pl.DataFrame, book: PriceBook) -> pl.DataFrame:
    """Rows of `line`, `group`, `units` (Int128 of 10^-12), `negative`, `short`, counts, by line.

    A line without a meter has one unit of its period, or its `base`: what other lines bill. A line
    of one quantity that used nothing has a row of zero; one that is apart by groups has no row but
    for the groups that its price lists.
    """
    found = matched(lines, usage, _KEY)
    nothing = pl.col("row").is_null()
    if found["row"].null_count():
        _check_grouping(found.filter(nothing), lines, usage)
        found = found.filter(~nothing | (_of(lines, "group_by", "at") == ""))
    unused = pl.when(_of(lines, "metered", "at")).then(int128(0)).otherwise(int128(LIMB))
    unused = pl.coalesce(_of(lines, "base", "at"), unused)
    rows = found.select(
        _of(lines, "line", "at").set_sorted(),
        _of(usage, "group", "row").fill_null(""),
        pl.coalesce(units_of(_of(usage, "quantity", "row")), unused).alias("units"),
        *(_of(usage, name, "row").fill_null(0) for name in ("event_count", "unmeterable_count")),
    ).with_columns(negative=pl.col("units") < 0, short=int128(0))
    _check_once(rows)
    if book.listed.is_empty():
        return rows
    listed = (
        lines.select("line", "price_id")
        .join(book.listed, on="price_id", how="inner")
        .join(rows, on=["line", "group"], how="anti")
        .select(
            "line",
            "group",
            int128(0).alias("units"),
            *(pl.lit(0, pl.Int64).alias(name) for name in ("event_count", "unmeterable_count")),
            pl.lit(value=False).alias("negative"),
            int128(0).alias("short"),
        )
    )
    return pl.concat([rows, listed]).sort("line", maintain_order=True)


def with_event_rows(
    lines: pl.DataFrame, usage: pl.DataFrame, events: Events, book: PriceBook
) -> pl.DataFrame:
    """`usage_rows`, those of lines over single events being what their events sum to."""
    if not book.prices["over_events"].any():
        return usage_rows(lines, usage, book)
    _check_events_given(lines, usage, events)
    summed = events.cells.select(
        "line",
        "group",
        "units",
        pl.col("event_count").cast(pl.Int64),
        "unmeterable_count",
        negative=pl.col("units") < 0,
        short=int128(0),
    )
    others = usage_rows(lines.filter(~pl.col("over_events")), usage, book)
    unused = lines.filter("over_events").join(summed, on="line", how="anti")
    none = unused.select(
        "line",
        pl.lit("").alias("group"),
        int128(0).alias("units"),
        *(pl.lit(0, pl.Int64).alias(name) for name in ("event_count", "unmeterable_count")),
        pl.lit(value=False).alias("negative"),
        int128(0).alias("short"),
    )
    return pl.concat([others, summed, none]).sort("line", "group")


def _check_events_given(lines: pl.DataFrame, usage: pl.DataFrame, events: Events) -> None:
    """Usage whose events were not handed in must not pass for none."""
    silent = lines.filter("over_events").join(events.cells, on="line", how="anti")
    used = usage.filter((pl.col("event_count") > 0) | (pl.col("quantity") != 0))
    wrong = silent.join(used, on=[*PERIOD_KEY, "meter_id"], how="semi")
    if wrong.height:
        row = wrong.row(0, named=True)
        raise RatingInputError(
            f"events: price {row['price_id']} reads single events, and those of meter"
            f" {row['meter_id']} of {row['subscription_id']} are missing"
        )


def _of(frame: pl.DataFrame, name: str, row: str) -> pl.Expr:
    """A column of a frame at the rows that the column `row` says."""
    return pl.lit(frame[name]).gather(pl.col(row)).alias(name)


def _check_once(rows: pl.DataFrame) -> None:
    """A group of a line's usage must be one row; asked of the lines, which costs less."""
    again = rows.filter(pl.col("line").diff() == 0).select("line").unique()
    if again.height and (
        rows.join(again, on="line", how="semi")
        .select(pl.struct("line", "group").is_duplicated().any())
        .item()
    ):
        raise RatingInputError(f"usage: {', '.join([*_KEY, 'group'])} must name one row only")


def _check_grouping(unused: pl.DataFrame, lines: pl.DataFrame, usage: pl.DataFrame) -> None:
    """Usage that is apart in another way than the price asks must not pass for none."""
    without = lines.select("metered", *_KEY, "price_id")[unused["at"]].filter("metered")
    ways = usage["group_by"].unique()
    if ways.len() == 1:
        # All of it is apart in this way: a line that asks for it, and found none, has none.
        without = without.filter(pl.col("group_by") != ways.item())
    if without.is_empty():
        return
    wrong = without.join(usage, on=[*PERIOD_KEY, "meter_id"], how="semi")
    if wrong.height:
        row = wrong.row(0, named=True)
        raise RatingInputError(
            f"usage: meter {row['meter_id']} of {row['subscription_id']} is not told apart by"
            f" {row['group_by'] or 'nothing'}, as price {row['price_id']} asks"
        )


def with_used_quantity(lines: pl.DataFrame, used: pl.DataFrame, book: PriceBook) -> pl.DataFrame:
    """Add `used_quantity`, null where no adjustment changes what is priced.

    Raises `QuantityTooLargeError` for a line whose groups sum to 10^26 and more.
    """
    said = [name for name in UNIT_FIELDS if book.says(name)]
    if not said:
        return lines.with_columns(used_quantity=pl.lit(None, dtype=QUANTITY_DTYPE))
    changed = pl.any_horizontal(book.around_of(name).is_not_null() for name in said)
    wanted = lines.select("line", "line_id", _changed=changed).filter("_changed")
    rows = used.lazy().join(wanted.lazy(), on="line", how="semi").select("line", *unit_limbs())
    sums = with_number(
        rows.group_by("line").agg(total("units", 1)), "units", Exact.named("units", 1).limbs
    ).collect(engine="streaming")
    summed = wanted.join(sums, on="line", how="left").with_columns(
        pl.col("units_0", "units_1").fill_null(int128(0))
    )
    quantities = with_quantity(summed, "used_quantity").select("line", "used_quantity")
    return lines.join(quantities, on="line", how="left", maintain_order="left")
