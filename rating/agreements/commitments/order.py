"""The rows of a commitment must follow each other: a stretch counted twice would draw twice."""

from __future__ import annotations

from typing import Final

import polars as pl

from rating.agreements.base import HOLDER, as_before
from rating.errors import RatingInputError

SHARE_LIMIT: Final = 10**18
"""Denominators of a share stay below: microseconds of any period."""

_TERM: Final = ("term_start", "term_end")
_SHARES: Final = ("share_before", "share_after", "share_of")


def check_order(rows: pl.DataFrame, state: pl.DataFrame) -> None:
    """Raise `RatingInputError` naming the first row that does not follow the one before.

    Stretches lie within their terms; each begins where the last one of its subscription ended, a
    term at its start, and goes on with the same share. Rows are sorted by `HOLDER` and start.
    """
    known = state.select(*HOLDER, *(pl.col(name).alias(f"_{name}") for name in (*_TERM, "end")))
    joined = rows.select(*HOLDER, *_TERM, "start", "end", *_SHARES).join(
        known, on=HOLDER, how="left", maintain_order="left"
    )
    follows = as_before(*HOLDER)
    ended, *terms = (
        pl.when(follows).then(pl.col(name).shift()).otherwise(f"_{name}")
        for name in ("end", *_TERM)
    )
    begins = pl.col("start") == pl.col("term_start")
    other_term = (terms[0] != pl.col("term_start")) | (terms[1] != pl.col("term_end"))
    other_share = follows & ~as_before(*_SHARES)
    problems = {
        "a stretch is empty or lies outside its term": (
            (pl.col("start") >= pl.col("end"))
            | (pl.col("start") < pl.col("term_start"))
            | (pl.col("end") > pl.col("term_end"))
        ),
        "a share is none: give 0 <= share_before < share_after <= share_of": (
            (pl.col("share_before") < 0)
            | (pl.col("share_before") >= pl.col("share_after"))
            | (pl.col("share_after") > pl.col("share_of"))
            | (pl.col("share_of") >= SHARE_LIMIT)
        ),
        "a stretch does not begin where the one before it ends": ended != pl.col("start"),
        "a term begins before the one before it ended": begins & (ended != terms[1]),
        "a term goes on, but its state is missing": ~begins & ended.is_null(),
        "a stretch is of another term, or of another share, than the one that it goes on": (
            ~begins & (other_term | other_share)
        ),
    }
    said = (pl.when(wrong).then(pl.lit(said)) for said, wrong in problems.items())
    wrong = joined.with_columns(_problem=pl.coalesce(said)).drop_nulls("_problem")
    if wrong.height:
        row = wrong.row(0, named=True)
        raise RatingInputError(
            f"counted: {row['_problem']}: {row['subscription_id']}/{row['agreement_id']} from"
            f" {row['start'].isoformat()}"
        )
