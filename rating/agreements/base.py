"""What all agreements share: how one is written, and what its rows are checked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import polars as pl

from core.money import MINOR_LIMIT, Currency
from rating.errors import AmountTooLargeError, RatingInputError
from rating.exact import int128
from rating.frames import check_frame
from rating.prices.reading import Fields
from rating.rounding import DEFAULT_ROUNDING_MODE, RoundingMode

HOLDER: Final = ("subscription_id", "agreement_id")
"""What one run of periods is known by: many subscriptions may hold the same agreement."""

UNITS_LIMIT: Final = 10**15
"""Units that are counted in one term or window stay below."""

WRITTEN: Final = pl.Schema(
    {
        "agreement_id": pl.String(),
        "content_hash": pl.String(),
        "currency": pl.String(),
        "minor_digits": pl.Int32(),
        "rounding_mode": pl.String(),
    }
)


@dataclass(frozen=True, slots=True)
class Agreement:
    """One agreement as it is sold: immutable, known by its id, proved by its content hash.

    A changed one has another id: nothing of the old one's state is its own.
    """

    agreement_id: str
    content_hash: str
    parameters: Mapping[str, Any]
    currency: Currency
    rounding_mode: RoundingMode = DEFAULT_ROUNDING_MODE

    @property
    def fields(self) -> Fields:
        """The parameters, to be read."""
        return Fields(self.parameters)


class Rated(NamedTuple):
    """What was rated, in the order of the rows handed in, and the state for the next call."""

    rated: pl.DataFrame
    state: pl.DataFrame


def written_frame(
    agreements: Sequence[Agreement], rows: Sequence[tuple[object, ...]], schema: pl.Schema
) -> pl.DataFrame:
    """`WRITTEN` beside what was read of each agreement: `schema`, in the order given."""
    full = [
        (
            each.agreement_id,
            each.content_hash,
            each.currency.code,
            each.currency.minor_digits,
            each.rounding_mode,
            *row,
        )
        for each, row in zip(agreements, rows, strict=True)
    ]
    whole = pl.Schema({**WRITTEN, **schema})
    frame = pl.DataFrame(full, schema=whole, orient="row")
    check_frame("agreements", frame, whole, ("agreement_id",))
    return frame


def with_agreements(rows: pl.DataFrame, written: pl.DataFrame) -> pl.DataFrame:
    """`rows` with `row`, their number, `line_id` and what their agreement says."""
    found = rows.with_row_index("row").join(
        written, on="agreement_id", how="left", maintain_order="left"
    )
    unknown = found.filter(pl.col("content_hash").is_null())
    if unknown.height:
        raise RatingInputError(
            f"agreements: hand in those of the rows: {unknown['agreement_id'].unique().to_list()}"
        )
    start = pl.col("start").dt.to_string("%Y-%m-%dT%H:%M:%S%.6fZ")
    return found.with_columns(line_id=pl.concat_str(*HOLDER, start, separator="/"))


def as_before(*names: str) -> pl.Expr:
    """Whether a row has the same as the one before it; rows that stand together need no groups."""
    same = (pl.col(name) == pl.col(name).shift() for name in names)
    return pl.all_horizontal(same).fill_null(value=False)


def in_order(frame: pl.DataFrame, *names: str) -> pl.DataFrame:
    """Rows sorted by columns that name one each; wide rows are only moved where they must be."""
    order = frame.select(names).with_row_index("_at").sort(*names)["_at"]
    return frame if order.is_sorted() else frame[order]


def check_no_nulls(name: str, frame: pl.DataFrame) -> None:
    """Raise `RatingInputError` for a frame with an empty cell."""
    empty = [column.name for column in frame if column.null_count()]
    if empty:
        raise RatingInputError(f"{name}: {', '.join(empty)} must be present")


def check_below_minor_limit(rows: pl.DataFrame, *names: str) -> None:
    """Raise `AmountTooLargeError` naming the rows where a minor amount (Int128) reaches 10^18."""
    over = rows.filter(pl.any_horizontal(pl.col(*names).abs() >= int128(MINOR_LIMIT)))
    if over.height:
        raise AmountTooLargeError(over["line_id"].to_list())
