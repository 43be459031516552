"""What an aggregation states about itself; one file each says the rest.

An aggregation turns the metered events of a group (meter, subject, maybe dimensions, a period) into
one exact quantity, a numerator over a denominator. Most merge: a usage row holds what is needed of
a run of the log, and rows add up to rows. Two cannot, and read every value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import polars as pl

from core.period import Period

Reads = Literal["nothing", "number", "text"]
"""What an aggregation reads of an event: nothing, a number, or the text at a path."""

Column = Literal["sum", "min", "max", "latest", "distinct_values"]
"""A part of a usage row beside the counts; `latest` stands for its three columns."""


class Quantity(NamedTuple):
    """Two String expressions over a merged row: numerator over denominator, decimal texts.

    The numerator is null where there is nothing to tell: no event that counts.
    """

    numerator: pl.Expr
    denominator: pl.Expr


class OfValues(Protocol):
    """How an aggregation that does not merge works out its quantities."""

    def __call__(
        self,
        values: pl.DataFrame,
        carried: pl.DataFrame,
        by: Sequence[str],
        period: Period,
        parameter: str,
    ) -> pl.DataFrame:
        """The quantities of groups: `by`, numerator and denominator String.

        values: `by`, value Decimal(38, 12), time Datetime(us, UTC), position String: the metered
        events of the period that no void takes back. carried: `by`, value: the latest such value
        before the period. parameter: the text of the meter's `per` or `percentile`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One aggregation.

    columns: what `total` fills in its usage rows beside the counts. linear: a void subtracts, so
    merged rows answer even with voids among them; of the others, groups with voids are made again
    from the events that are left. of_row: the quantity of a merged row. of_values: instead of it,
    where rows do not merge to an answer. parameter: the word that only its meters have.
    """

    name: str
    reads: Reads
    columns: frozenset[Column] = frozenset()
    linear: bool = False
    of_row: Quantity | None = None
    of_values: OfValues | None = None
    parameter: Literal["per", "percentile"] | None = None


ONE = pl.lit("1")
NET_EVENTS = pl.col("event_count").cast(pl.Int64) - pl.col("voided_count").cast(pl.Int64)
"""Metered events net of voids."""


def decimal_text(number: pl.Expr) -> pl.Expr:
    """A Decimal(38, 12) as the shortest text of the same number."""
    text = number.cast(pl.Decimal(38, 12)).cast(pl.String)
    return text.str.strip_chars_end("0").str.strip_chars_end(".")
