"""Local time of instants in many zones at once: the offsets of each zone as a table.

A zone's clock is set at a whole minute of UTC (since 1972), mostly at a quarter of an hour: where
the offset is another than a quarter before, it is looked at minute by minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from rating.errors import RatingInputError
from rating.frames import INSTANT_DTYPE
from rating.tiers import with_found

UTC: Final = "UTC"
FOREVER_US: Final = 2**62
"""Until when the last offset of the table holds, in microseconds; all instants are before."""

_QUARTER: Final = "15m"


@dataclass(frozen=True, slots=True)
class Offsets:
    """Rows of `until` and `offset`, in microseconds; a zone is a run of them."""

    table: pl.DataFrame
    first: pl.Series
    """Beside the zones asked for."""
    count: pl.Series

    @classmethod
    def of(cls, zones: Sequence[str], first: int, last: int) -> Offsets:
        """The offsets of these zones from one instant to another, in microseconds.

        Raises `RatingInputError` for a zone that does not exist.
        """
        start, end = (
            pl.lit(pl.Series([at], dtype=pl.Int64).cast(INSTANT_DTYPE)[0]) for at in (first, last)
        )
        instants = pl.select(
            at=pl.datetime_range(
                start.dt.truncate(_QUARTER), end.dt.offset_by(_QUARTER), _QUARTER, time_zone=UTC
            )
        )
        tables = [_of_zone(zone, instants) for zone in zones]
        count = pl.Series([each.height for each in tables], dtype=pl.UInt32)
        return cls(pl.concat(tables), count.cum_sum() - count, count)

    def with_row(self, rows: pl.LazyFrame, name: str, at: pl.Expr) -> pl.LazyFrame:
        """Add `name`, the row of the table that holds at an instant of the zone `zone`."""
        run = (_beside(self.first, "zone"), _beside(self.count, "zone"))
        most: int = self.count.max()  # type: ignore[assignment]  # a column of integers
        return with_found(rows, name, at + 1, self.table["until"], run, most)

    def of_row(self, column: str, name: str) -> pl.Expr:
        """A column of the table, for the row of it that `name` says."""
        return _beside(self.table[column], name)


def _beside(values: pl.Series, name: str) -> pl.Expr:
    """The value at the row that a column says; one value of all is a literal."""
    if values.n_unique() == 1:
        return pl.lit(values[0], dtype=values.dtype)
    return pl.lit(values).gather(pl.col(name))


def _of_zone(zone: str, quarters: pl.DataFrame) -> pl.DataFrame:
    try:
        changed = _changed(quarters, zone)
    except pl.exceptions.ComputeError:
        raise RatingInputError(f"events: {zone!r} is not a time zone of the IANA names") from None
    # Each minute since the quarter before, that one included: so a change is seen in between.
    since = pl.concat(
        changed[1:].select(pl.col("at").dt.offset_by(f"-{back}m")) for back in range(16)
    )
    minutes = pl.concat([quarters[:1], since]).unique()
    until = pl.col("at").to_physical().shift(-1, fill_value=FOREVER_US)
    return _changed(minutes.sort("at"), zone).select(until.alias("until"), "offset")


def _changed(instants: pl.DataFrame, zone: str) -> pl.DataFrame:
    """The instants at which the offset is another than at the one before."""
    at = pl.col("at")
    local = at.dt.convert_time_zone(zone).dt.replace_time_zone(None)
    told = instants.select("at", offset=local.to_physical() - at.to_physical())
    return told.filter(pl.col("offset").diff().fill_null(1) != 0)
