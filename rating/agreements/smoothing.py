"""Overage smoothing: units included in several periods together, so that a busy one may borrow.

Parameters: `periods`, how many make a window (1 to 120); `included`, units of each; `unit_amount`
of those beyond; `bill`, when they are billed:

`as_it_occurs`: what the window used so far, less all that it includes, less what it billed. A
window is followed by another one, all its periods new. 500 x 3: 1000, 600, 900 → 0, 100, 900.
`at_end`: only with the last period of a window. Where nothing was beyond, the window moves on by
one period instead. 500 x 3: 700, 200, 333, 1000 → nothing until February to April: 33.

What is billed is the rounded amount of all that is beyond in the window, less what it billed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from rating.agreements.base import (
    HOLDER,
    UNITS_LIMIT,
    Agreement,
    Rated,
    as_before,
    check_below_minor_limit,
    check_no_nulls,
    in_order,
    with_agreements,
    written_frame,
)
from rating.engine import RULE_VERSION
from rating.errors import RatingInputError, UsageTooLargeError
from rating.exact import Exact, decimal_of, int128, units_of, with_product
from rating.frames import INSTANT_DTYPE, QUANTITY_DTYPE, check_frame
from rating.rounding import with_minor
from rating.told import as_derivation, as_told, told_minor

PERIODS_MAX: Final = 120

PERIODS: Final = pl.Schema(
    {
        "subscription_id": pl.String(),
        "agreement_id": pl.String(),
        "start": INSTANT_DTYPE,
        "end": INSTANT_DTYPE,
        "quantity": QUANTITY_DTYPE,
    }
)
"""What was used in a period. Those of a subscription follow each other without a gap."""

SMOOTHING_STATE: Final = pl.Schema(
    {**PERIODS, "overage": QUANTITY_DTYPE, "amount_minor": pl.Int64()}
)
"""The periods that the window of each subscription holds, and what they billed."""

SMOOTHED: Final = pl.Schema(
    {
        "line_id": pl.String(),
        **PERIODS,
        "window_start": INSTANT_DTYPE,
        "window_quantity": QUANTITY_DTYPE,  # used in the window so far
        "window_overage": QUANTITY_DTYPE,  # of it, what is billed by now
        "overage": QUANTITY_DTYPE,  # of it, what this period bills
        "amount_minor": pl.Int64(),
        "currency": pl.String(),
        "content_hash": pl.String(),
        "rounding_mode": pl.String(),
        "rule_version": pl.Int32(),
    }
)

_BILL: Final = ("as_it_occurs", "at_end")
_READ: Final = pl.Schema(
    {
        "periods": pl.UInt32(),
        "included": pl.Int128(),
        "unit_amount": pl.Int128(),
        "at_end": pl.Boolean(),
    }
)


def smooth(periods: pl.DataFrame, state: pl.DataFrame, agreements: Sequence[Agreement]) -> Rated:
    """Rate any number of agreements and periods: `PERIODS` and `SMOOTHING_STATE` to `SMOOTHED`.

    The state of a subscription that has no row stays as it is.
    Raises `PriceParameterError`, `UsageTooLargeError` and `AmountTooLargeError` naming the rows,
    and `RatingInputError` for frames that break their schema, or do not follow each other.
    """
    rows, window = _run(periods, state, agreements)
    rated = rows.with_columns(
        decimal_of(pl.col("window_quantity", "window_overage", "overage")),
        pl.col("amount_minor").cast(pl.Int64),
        rule_version=pl.lit(RULE_VERSION, pl.Int32),
    )
    return Rated(rated.select(SMOOTHED.names()).match_to_schema(SMOOTHED), window)


def derive_smoothing(
    periods: pl.DataFrame, state: pl.DataFrame, agreements: Sequence[Agreement]
) -> pl.DataFrame:
    """How `smooth` comes to its amounts: `frames.DERIVATION`, in the order of `periods`."""
    rows, _ = _run(periods, state, agreements)
    lazy = rows.lazy()
    line = pl.col("row").alias("line")
    whole = pl.col("included") * pl.col("periods").cast(pl.Int128)
    told = [
        lazy.select(
            line,
            name=pl.lit("included"),
            value=decimal_of(pl.col("included")),
            quantity=decimal_of(whole),
        ),
        lazy.select(line, name=pl.lit("window"), units=decimal_of(pl.col("window_quantity"))),
        lazy.select(
            line,
            *told_minor("amount_minor"),
            name=pl.lit("overage"),
            units=decimal_of(pl.col("window_overage")),
            quantity=decimal_of(pl.col("overage")),
            unit_amount=decimal_of(pl.col("unit_amount")),
        ),
    ]
    return as_derivation([as_told(each) for each in told], rows["line_id"])


def _read(agreement: Agreement) -> tuple[object, ...]:
    fields = agreement.fields
    periods = fields.integer("periods", range(1, PERIODS_MAX + 1))
    included = fields.units("included", fields.decimal("included"), UNITS_LIMIT)
    unit_amount = fields.amount("unit_amount")
    at_end = fields.choice("bill", _BILL) == "at_end"
    fields.done()
    return periods, included, unit_amount, at_end


def _run(
    periods: pl.DataFrame, state: pl.DataFrame, agreements: Sequence[Agreement]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Each row rated, and the periods that the windows hold then."""
    written = written_frame(agreements, [_read(each) for each in agreements], _READ)
    key = (*HOLDER, "start")
    check_frame("periods", periods, PERIODS, key)
    check_frame("state", state, SMOOTHING_STATE, key)
    check_no_nulls("periods", periods)
    check_no_nulls("state", state)
    rows = in_order(with_agreements(periods, written), *key)
    _check_order(rows, state)
    limit = int128(UNITS_LIMIT) * int128(10**12)
    over = rows.filter(units_of(pl.col("quantity")).abs() >= limit)
    if over.height:
        raise UsageTooLargeError(over["line_id"].to_list())
    at = pl.int_range(pl.len())
    first = pl.when(~as_before(*HOLDER)).then(at).forward_fill()
    rows = rows.with_columns(_nth=at - first)
    window = state.sort(*key)
    done = []
    # One pass for the first period of every subscription, one for the second, and so on.
    parts = rows.partition_by("_nth", include_key=False, as_dict=True)
    for nth in [parts[key] for key in sorted(parts)] or [rows.drop("_nth")]:
        rated = _rate(nth, window)
        window = _moved(window, rated)
        done.append(rated)
    return in_order(pl.concat(done), "row"), window


def _check_order(rows: pl.DataFrame, state: pl.DataFrame) -> None:
    names = (*HOLDER, "start", "end")
    ordered = pl.concat([state.select(names), rows.select(names)]).sort(*HOLDER, "start")
    gap = as_before(*HOLDER) & (pl.col("start") != pl.col("end").shift())
    wrong = ordered.filter((pl.col("start") >= pl.col("end")) | gap)
    if wrong.height:
        raise RatingInputError(
            "periods: one is empty, or does not begin where the one before it ends:"
            f" {wrong.row(0, named=True)}"
        )


def _rate(rows: pl.DataFrame, window: pl.DataFrame) -> pl.DataFrame:
    """One period of each subscription, after those that its window holds."""
    held = window.group_by(HOLDER, maintain_order=True).agg(
        pl.len().alias("_held"),
        pl.col("start").first().alias("_first"),
        units_of(pl.col("quantity")).sum().alias("_quantity"),
        units_of(pl.col("overage")).sum().alias("_overage"),
        pl.col("amount_minor").cast(pl.Int128).sum().alias("_minor"),
    )
    frame = rows.join(held, on=HOLDER, how="left", maintain_order="left").with_columns(
        pl.col("_held").fill_null(0) + 1,
        pl.col("_quantity", "_overage", "_minor").fill_null(int128(0)),
        window_start=pl.coalesce("_first", "start"),
    )
    frame = frame.with_columns(
        _full=pl.col("_held") >= pl.col("periods"),
        window_quantity=pl.col("_quantity") + units_of(pl.col("quantity")),
    )
    included = pl.col("included") * pl.col("periods").cast(pl.Int128)
    beyond = (pl.col("window_quantity") - included).clip(lower_bound=int128(0))
    billed = ~pl.col("at_end") | pl.col("_full")
    frame = frame.with_columns(window_overage=pl.when(billed).then(beyond).otherwise(int128(0)))
    target = Exact.of_units(pl.col("window_overage"))
    priced = with_product(frame.lazy(), "_amount", target, Exact.of_units(pl.col("unit_amount")))
    done = with_minor(priced, Exact.named("_amount", 2), name="_total_minor").collect()
    check_below_minor_limit(done, "_total_minor")
    return done.with_columns(
        overage=pl.col("window_overage") - pl.col("_overage"),
        amount_minor=pl.col("_total_minor") - pl.col("_minor"),
    )


def _moved(window: pl.DataFrame, rated: pl.DataFrame) -> pl.DataFrame:
    """What the windows hold after these periods."""
    held = rated.with_columns(
        decimal_of(pl.col("overage")), pl.col("amount_minor").cast(pl.Int64)
    ).select(SMOOTHING_STATE.names())
    ends = rated.select(
        *HOLDER,
        "window_start",
        _clears=pl.col("_full") & (~pl.col("at_end") | (pl.col("window_overage") > 0)),
        _slides=pl.col("_full"),
    )
    both = pl.concat([window, held]).join(ends, on=HOLDER, how="left")
    leaves = pl.col("_clears") | (pl.col("_slides") & (pl.col("start") == pl.col("window_start")))
    kept = both.filter(~leaves.fill_null(value=False))
    return kept.select(SMOOTHING_STATE.names()).sort(*HOLDER, "start")
