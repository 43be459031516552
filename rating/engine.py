"""The steps of rating, in order, and the functions that run them.

Rating is a function: the same frames and prices give the same frame, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import polars as pl

from rating.book import PriceBook
from rating.errors import RatingInputError
from rating.events import checked_events, read_events
from rating.exact import Exact, int128
from rating.frames import DERIVATION, LINE_KEY, LINES, RATED, check_schema
from rating.pieces import make_pieces, sum_lines, tell
from rating.prices import Price
from rating.rounding import check_minor, with_minor
from rating.share import DENOMINATOR, IS_PART, split_choice, split_shares
from rating.slices import SLICE_LINES, rated_in_threads, slices_of
from rating.steps import (
    amount_discount,
    free_units,
    free_units_per_group,
    maximum,
    minimum,
    percent_discount,
    share,
    unit_conversion,
    usage_discount,
)
from rating.sums import has_lines_of_many_rows
from rating.told import TOLD, amount_columns
from rating.used import checked_usage, with_event_rows, with_used_quantity
from rating.waves import in_order, run_in_waves
from rating.work import LINE_PARTS, Step, Work

RULE_VERSION: Final = 1
"""Stored on every line; raised whenever the same input would give another amount."""


def rate_period(
    lines: pl.DataFrame,
    usage: pl.DataFrame,
    prices: Sequence[Price],
    events: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Rate any number of subscriptions and periods at once.

    Args:
        lines: what to rate, `frames.LINES`; one row per (subscription, period start, line key).
            Maybe with `frames.SHARE`, the share of its period that each line is for.
        usage: what was used, `frames.USAGE`; one row per (subscription, period start, meter). Or
            `frames.GROUPED_USAGE`, with a row for each group of a price that tells usage apart.
            A line without a row used nothing. A row without a line is not priced here.
        prices: every price that `lines` name.
        events: the single events of meters whose price reads them, `frames.EVENTS` or
            `frames.GROUPED_EVENTS`; what they sum to stands in for the usage of their lines.

    Returns `frames.RATED`, one row per row of `lines`, in their order.
    Raises `AmountTooLargeError`, `QuantityTooLargeError`, `UnpricedGroupError`,
    `UnpricedEventError` and `LineOrderError` naming the lines, `PriceParameterError`,
    `UnknownPriceModelError`, and `RatingInputError` for frames that break their schema.
    """
    book = PriceBook.of(prices)
    if events is not None:
        return _rate(lines, usage, book, events)
    return rated_in_threads(lambda some, theirs: _rate(some, theirs, book), lines, usage)


def rate_slices(
    lines: pl.LazyFrame,
    usage: pl.LazyFrame,
    prices: Sequence[Price],
    *,
    size: int = 4 * SLICE_LINES,
) -> Iterator[pl.DataFrame]:
    """`rate_period` of more lines than memory holds, `size` lines at a time.

    `lines` are in the order of their subscriptions, none of which has more than `size`. Scans of
    Parquet files are read a slice at a time; that of `usage` finds its rows by the statistics of
    row groups, and so should be in the same order. An error names lines of the first slice that has
    one: those before it were rated.
    """
    book = PriceBook.of(prices)
    for some, theirs in slices_of(lines, usage, size):
        yield rated_in_threads(lambda part, used: _rate(part, used, book), some, theirs)


def _rate(
    lines: pl.DataFrame,
    usage: pl.DataFrame,
    book: PriceBook,
    events: pl.DataFrame | None = None,
) -> pl.DataFrame:
    works = _run(lines, usage, book, events)
    rated = in_order(works, [work.lines.select("line", *RATED.names()) for work in works])
    return rated.drop("line").match_to_schema(RATED)


def derive_period(
    lines: pl.DataFrame,
    usage: pl.DataFrame,
    prices: Sequence[Price],
    events: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """How `rate_period` comes to its exact amounts: `frames.DERIVATION`, in the order of `lines`.

    The steps of a line sum to its exact amount and its true-up, which is in minor units: they are
    rows of the same computation.
    """
    works = _run(lines, usage, PriceBook.of(prices), events)
    steps = in_order(works, [_told(work) for work in works])
    return steps.select(DERIVATION.names()).match_to_schema(DERIVATION)


def _told(work: Work) -> pl.DataFrame:
    """The derivation of the lines of a wave."""
    told = [step.tell(work) for step in STEPS if step.tell]
    rows = pl.concat([pl.DataFrame(schema=TOLD), *(each for each in told if each is not None)])
    line_id = pl.lit(work.lines["line_id"]).gather(pl.col("line"))
    number = pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).over("line")
    return rows.sort("line", maintain_order=True).with_columns(line_id=line_id, step=number)


def _run(
    lines: pl.DataFrame, usage: pl.DataFrame, book: PriceBook, events: pl.DataFrame | None
) -> list[Work]:
    """All steps, one after the other; for lines that are percentages of others, after these."""
    rest, chosen_from = split_choice(lines)
    plain, shares = split_shares(rest)
    check_schema("lines", plain, LINES, (*LINE_KEY, "price_id"))
    work = Work(
        plain.with_row_index("line").hstack(shares).with_columns(chosen_from),
        checked_usage(usage),
        book,
        checked_events(events),
        shared=bool(shares.select(IS_PART.any()).item()),
    )
    first, *others = STEPS
    return run_in_waves(first.run(work), others)


def _attach_price(work: Work) -> Work:
    priced = work.lines.join(work.book.prices, on="price_id", how="left", maintain_order="left")
    wrong = priced.filter(
        pl.col("model").is_null() | (pl.col("meter_id").is_not_null() != pl.col("metered"))
    )
    if wrong.height:
        raise RatingInputError(
            "lines: a price is missing, or a meter stands where its model takes none (or is"
            f" missing where it needs one): {wrong['line_key'].unique().sort().to_list()}"
        )
    rule = pl.lit(RULE_VERSION, dtype=pl.Int32)
    named = priced.with_columns(_line_ids(priced), rule_version=rule, base=pl.lit(None, pl.Int128))
    ids = named["line_id"]
    # Numbers are counted faster; only where two hashes are one may two texts be.
    if ids.hash().n_unique() < named.height and ids.n_unique() < named.height:
        raise RatingInputError(f"lines: {', '.join(LINE_KEY)} must name one row only")
    return replace(work, lines=named)


def _line_ids(lines: pl.DataFrame) -> pl.Series:
    """`LINE_KEY` as one text. Periods are few: each start is written once."""
    text = pl.col("period_start").dt.to_string("%Y-%m-%dT%H:%M:%S%.6fZ").alias("start")
    starts = lines.select(pl.col("period_start").unique()).with_columns(text)
    with_start = lines.select(LINE_KEY).join(
        starts, on="period_start", how="left", maintain_order="left"
    )
    key = pl.concat_str("subscription_id", "start", "line_key", separator="/")
    return with_start.select(key.alias("line_id")).to_series()


def _attach_usage(work: Work) -> Work:
    events = read_events(work.lines, work.given_events)
    used = with_event_rows(work.lines, work.usage, events, work.book)
    names = ["event_count", "unmeterable_count"]
    counts = used.select("line", *names)
    if has_lines_of_many_rows(used):
        counts = counts.group_by("line").agg(pl.col(*names).sum())
    lines = work.lines.join(counts, on="line", how="left", maintain_order="left")
    lines = lines.with_columns(pl.col(*names).fill_null(0))
    return replace(work, lines=with_used_quantity(lines, used, work.book), used=used, events=events)


def _apply_models(work: Work) -> Work:
    pieces = make_pieces(work.lines, work.used, work.events, work.book)
    # Of a share, the amount is no product of two decimals that the line could show.
    kept = pl.col("keeps_amount") & ~IS_PART if work.shared else pl.col("keeps_amount")
    lines = sum_lines(pieces, work.lines, shared=work.shared).with_columns(
        int128(0).alias(f"amount_{LINE_PARTS}"),
        pl.when(kept).then("unit_amount").alias("unit_amount"),
        pl.coalesce("used_quantity", "quantity").alias("used_quantity"),
    )
    return replace(work, lines=lines, pieces=pieces)


def _round_once(work: Work) -> Work:
    over = DENOMINATOR if work.shared else None
    amount = Exact.seen(work.lines, "amount", LINE_PARTS)
    rounded = (
        with_minor(work.lines.lazy(), amount, over)
        .select("amount_minor", "line_id", *amount_columns(amount, denominator=over))
        .collect(engine="streaming")
    )
    check_minor(rounded)
    minor = pl.col("amount_minor").cast(pl.Int64)
    return replace(work, lines=work.lines.with_columns(rounded.with_columns(minor)))


STEPS: Final[tuple[Step, ...]] = (
    Step(
        "attach the price",
        _attach_price,
        "first, so that a line that cannot be priced stops before anything is computed",
    ),
    Step(
        "attach the usage",
        _attach_usage,
        "before the model, and with zero where nothing was used: every line is shown",
    ),
    Step(
        "unit conversion",
        unit_conversion.run,
        "first, on all that was used: allowances, tiers and packages are in the unit that is sold",
        unit_conversion.tell,
    ),
    Step(
        "free units per group",
        free_units_per_group.run,
        "before what the groups share, so that nothing shared is spent where a group has its own",
        free_units_per_group.tell,
    ),
    Step(
        "free units",
        free_units.run,
        "before the model: what is free enters no tier and begins no package",
        free_units.tell,
    ),
    Step(
        "usage discount",
        usage_discount.run,
        "after the allowance: what a plan includes is used up before what is given on top",
        usage_discount.tell,
    ),
    Step(
        "apply the price model",
        _apply_models,
        "on the whole quantity of the period: models need not add up over parts",
        lambda work: tell(work.pieces),
    ),
    Step(
        "share of the period",
        share.run,
        "right after the model, as it is for fixed amounts only: usage is never prorated",
        share.tell,
    ),
    Step(
        "percentage discount",
        percent_discount.run,
        "first of what changes the amount: a share of what the usage costs, flat parts included",
        percent_discount.tell,
    ),
    Step(
        "amount discount",
        amount_discount.run,
        "after the percentage, which so never lowers what is a fixed amount",
        amount_discount.tell,
    ),
    Step(
        "maximum",
        maximum.run,
        "after the discounts: it is a promise about what is billed, not about list prices",
        maximum.tell,
    ),
    Step(
        "round once",
        _round_once,
        "after all that changes the exact amount, which is rounded nowhere else",
    ),
    Step(
        "minimum",
        minimum.run,
        "after the rounding: its true-up is what the rounded line lacks, a component of its own",
        minimum.tell,
    ),
)
"""Read top to bottom: the order in which a line comes to its amount."""
