"""Rate commitments: many at once, over one stretch of their terms or over many terms.

A minimum of each period under a commitment of a term is two commitments: what the inner one bills,
its true-ups included, is what the outer one counts. 1,200 a year and 60 a month, used 48, 120, 60
and nothing more: 12 on top of 48, then eight times 60, then 60 + 420.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from core.money import MINOR_LIMIT
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
)
from rating.agreements.commitments.drawing import (
    as_decimals,
    with_committed,
    with_drawn,
    with_due,
)
from rating.agreements.commitments.frames import COMMITMENT_STATE, COMMITTED, COUNTED
from rating.agreements.commitments.order import check_order
from rating.agreements.commitments.reading import CommitmentBook
from rating.engine import RULE_VERSION
from rating.errors import AmountTooLargeError, RatingInputError, UsageTooLargeError
from rating.exact import LIMB, decimal_of, int128, units_of
from rating.frames import check_frame
from rating.told import as_derivation, as_told, told_minor

_DECIMALS: Final = (
    "committed",
    "rolled_in",
    "drawn_rolled_in",
    "drawn",
    "over",
    "unused",
    "rolled_over",
    "lapsed",
)
_MINORS: Final = ("fee_minor", "usage_minor", "overage_minor", "true_up_minor")
_CARRIED: Final = ("committed", "rolled_in", "used", "rolled_over")


def rate_commitments(
    counted: pl.DataFrame, state: pl.DataFrame, agreements: Sequence[Agreement]
) -> Rated:
    """`COUNTED` and `COMMITMENT_STATE` to `COMMITTED`, in the order of `counted`, and a new state.

    The state of a subscription that has no row stays as it is.
    Raises `PriceParameterError`, `NotInForceError`, `UsageTooLargeError` and `AmountTooLargeError`
    naming the rows, and `RatingInputError` for frames that break their schema, or rows that do not
    follow each other.
    """
    rows, carried = _run(counted, state, agreements)
    rated = as_decimals(rows, *_DECIMALS).with_columns(
        pl.col(*_MINORS).cast(pl.Int64), rule_version=pl.lit(RULE_VERSION, pl.Int32)
    )
    return Rated(rated.select(COMMITTED.names()).match_to_schema(COMMITTED), carried)


def derive_commitments(
    counted: pl.DataFrame, state: pl.DataFrame, agreements: Sequence[Agreement]
) -> pl.DataFrame:
    """How `rate_commitments` comes to its amounts: `frames.DERIVATION`, in the order of `counted`.

    The steps of a row sum to what it bills.
    """
    rows, _ = _run(counted, state, agreements)
    return as_derivation(_tell(rows), rows["line_id"])


def _run(
    counted: pl.DataFrame, state: pl.DataFrame, agreements: Sequence[Agreement]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    book = CommitmentBook.of(agreements)
    check_frame("counted", counted, COUNTED, (*HOLDER, "start"))
    check_frame("state", state, COMMITMENT_STATE, HOLDER)
    check_no_nulls("counted", counted)
    check_no_nulls("state", state.drop("rolled_over"))
    check_no_nulls("state of a term that ended", state.filter(pl.col("end") == pl.col("term_end")))
    rows = in_order(with_agreements(counted, book.written), *HOLDER, "start")
    check_order(rows, state)
    _check_used(rows, "used")
    rows = with_committed(rows, book.phases)
    carried = _in_units(state)
    done = []
    for each in _passes(rows):
        rated = _rate(each, carried)
        carried = _carried(carried, rated)
        done.append(rated)
    return in_order(pl.concat(done), "row"), _as_state(carried)


def _passes(rows: pl.DataFrame) -> list[pl.DataFrame]:
    """Term by term where something rolls over: a term needs what the one before left; else once."""
    if not rows["rolls"].any():
        return [rows]
    terms = (~as_before(*HOLDER, "term_start")).cast(pl.UInt32).cum_sum()
    numbered = rows.with_columns(_term=terms)
    first = pl.when(~as_before(*HOLDER)).then("_term").forward_fill()
    nth = pl.when("rolls").then(pl.col("_term") - first).otherwise(0)
    numbered = numbered.with_columns(_pass=nth).drop("_term")
    parts = numbered.partition_by("_pass", include_key=False, as_dict=True)
    return [parts[key] for key in sorted(parts)]


def _rate(rows: pl.DataFrame, carried: pl.DataFrame) -> pl.DataFrame:
    """Rows that need of each other's terms nothing: of one term each, or without roll-over."""
    before = carried.select(
        *HOLDER,
        _term="term_start",
        _end="end",
        _committed="committed",
        _rolled_in="rolled_in",
        _used="used",
        _usage=pl.col("usage_minor").cast(pl.Int128),
        _overage=pl.col("overage_minor").cast(pl.Int128),
        _rolled_over="rolled_over",
    )
    found = rows.join(before, on=HOLDER, how="left", maintain_order="left")
    goes_on = (pl.col("_term") == pl.col("term_start")).fill_null(value=False)
    other = found.filter(goes_on & (pl.col("_committed") != pl.col("committed")))
    if other.height:
        raise RatingInputError(
            "counted: a term goes on with another share of its commitment than it began with:"
            f" {other['line_id'].to_list()[:5]}"
        )
    next_term = pl.col("_end") == pl.col("term_start")
    rolled_in = pl.when(goes_on).then("_rolled_in").when(next_term).then("_rolled_over")
    found = found.with_columns(
        pl.when(goes_on).then(name).otherwise(int128(0)).alias(alias)
        for name, alias in (
            ("_used", "used_before"),
            ("_usage", "usage_before"),
            ("_overage", "overage_before"),
        )
    ).with_columns(rolled_in=rolled_in.otherwise(int128(0)))
    drawn = with_drawn(found)
    _check_used(drawn, "after")
    due = with_due(drawn)
    check_below_minor_limit(due, "committed_total", "usage_total", "overage_total")
    return due.select(pl.exclude("^_.*$"))


def _check_used(rows: pl.DataFrame, name: str) -> None:
    size = pl.col(name) if rows[name].dtype == pl.Int128 else units_of(pl.col(name))
    broken = rows.filter((size % pl.col("grain")) != 0)
    if broken.height:
        raise RatingInputError(
            "counted: an amount is of rounded lines, whole minor units:"
            f" {broken['line_id'].to_list()[:5]}"
        )
    limit = int128(UNITS_LIMIT * LIMB)
    many = rows.filter(~pl.col("of_amount") & (size.abs() >= limit))
    if many.height:
        raise UsageTooLargeError(many["line_id"].to_list())
    minor = size.abs() // pl.col("grain")
    much = rows.filter(pl.col("of_amount") & (minor >= int128(MINOR_LIMIT)))
    if much.height:
        raise AmountTooLargeError(much["line_id"].to_list())


def _in_units(state: pl.DataFrame) -> pl.DataFrame:
    return state.with_columns(units_of(pl.col(name)) for name in _CARRIED)


def _as_state(carried: pl.DataFrame) -> pl.DataFrame:
    decimals = as_decimals(carried, *_CARRIED)
    return decimals.sort(*HOLDER).match_to_schema(COMMITMENT_STATE)


def _carried(carried: pl.DataFrame, rated: pl.DataFrame) -> pl.DataFrame:
    """The state after these rows, in units of 10^-12: the last row of each holder."""
    last = rated.filter(~as_before(*HOLDER).shift(-1, fill_value=False))
    after = last.with_columns(
        used=pl.col("after"),
        usage_minor=pl.col("usage_total").cast(pl.Int64),
        overage_minor=pl.col("overage_total").cast(pl.Int64),
        rolled_over=pl.when("ends").then("rolled_over"),
    ).select(COMMITMENT_STATE.names())
    others = carried.join(after, on=HOLDER, how="anti")
    return pl.concat([others, after])


def _tell(rows: pl.DataFrame) -> list[pl.DataFrame]:
    """Steps of each row: `units` what it is about, `quantity` what came of it, and its amount."""
    lazy, line = rows.lazy(), pl.col("row").alias("line")
    rate = decimal_of(pl.col("rate"))
    own_price = decimal_of(pl.col("over_rate_0") * int128(LIMB) + pl.col("over_rate_1"))

    def told(name: str, **columns: pl.Expr) -> pl.LazyFrame:
        return lazy.select("ends", line, name=pl.lit(name), **columns)

    def units(name: str) -> pl.Expr:
        return decimal_of(pl.col(name))

    def due(name: str, minor: str, **columns: pl.Expr) -> pl.LazyFrame:
        return lazy.select("ends", line, *told_minor(minor), name=pl.lit(name), **columns)

    parts = [
        due(
            "committed",
            "fee_minor",
            value=units("whole"),
            quantity=units("committed"),
            unit_amount=rate,
        ),
        told("rolled_in", quantity=units("rolled_in")),
        told("drawn_rolled_in", units=units("drawn_rolled_in")),
        due("usage", "usage_minor", units=units("drawn"), unit_amount=rate),
        due(
            "overage",
            "overage_minor",
            units=units("over"),
            value=decimal_of(pl.col("surcharge")),
            unit_amount=pl.when(pl.col("surcharge").is_null()).then(own_price).otherwise(rate),
        ),
        due("true_up", "true_up_minor", units=units("unused"), unit_amount=rate).filter("ends"),
        told(
            "rolled_over",
            value=decimal_of(pl.col("roll_percent")),
            units=units("unused"),
            quantity=units("rolled_over"),
        ).filter("ends"),
        told("lapsed", units=units("lapsed")).filter("ends"),
    ]
    return [as_told(each.drop("ends")) for each in parts]
