"""Which share of a period a part of it is: an exact ratio of whole numbers, never a decimal.

| basis | numerator / denominator |
|---|---|
| `seconds` (default) | seconds of the part / seconds of the period, or microseconds of both |
| `days` | dates of the part where the customer lives / dates of the period |
| `fixed_30` | dates of the part in months of 30 days / 30 for each month of the period |

All are half-open and add up: the shares of the parts of a period sum to one, whatever the clocks
and the calendar do. The date on which a part begins belongs to it as a whole, the one on which it
ends not at all. By `fixed_30` the 31st is counted like the 30th, what February lacks lies before
its end, and a day is 1/30 of each month. A period within one date is shared by seconds.

The ratio goes with the line to the rounding; nothing is divided before that.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Final, Literal, NamedTuple, get_args
from zoneinfo import ZoneInfo

import polars as pl

from core.calendar.zones import local_date, parse_time_zone
from core.period import Period
from rating.errors import PriceParameterError, RatingInputError
from rating.frames import INSTANT_DTYPE

ProrationBasis = Literal["seconds", "days", "fixed_30"]
PRORATION_BASES: Final[tuple[ProrationBasis, ...]] = get_args(ProrationBasis)
DEFAULT_PRORATION_BASIS: Final[ProrationBasis] = "seconds"

PARTS: Final = pl.Schema(
    {
        "part_start": INSTANT_DTYPE,
        "part_end": INSTANT_DTYPE,
        "whole_start": INSTANT_DTYPE,
        "whole_end": INSTANT_DTYPE,
        "whole_months": pl.Int32(),  # 0 for periods of days and weeks
        "time_zone": pl.String(),
        "basis": pl.String(),
    }
)
"""What `with_shares` reads: a part, the whole period that it lies in, and how to count."""

_RANGES: Final = ("part", "whole")
_INSTANTS: Final = ("part_start", "part_end", "whole_start", "whole_end")
_ORDER: Final = "_order"
_LOCAL: Final = "_local_"
_MICROSECOND: Final = timedelta(microseconds=1)
_SECOND_MICROS: Final = 1_000_000
_MONTH_DAYS: Final = 30
_YEAR_DAYS: Final = 12 * _MONTH_DAYS


class Share(NamedTuple):
    """`numerator` / `denominator` of a period, not reduced: 22/30 says what was counted."""

    numerator: int
    denominator: int

    @property
    def fraction(self) -> Fraction:
        """The exact value, 0 to 1."""
        return Fraction(self.numerator, self.denominator)


def parse_proration_basis(text: str) -> ProrationBasis:
    """The basis that `text` names. Raises `PriceParameterError` listing the three."""
    for basis in PRORATION_BASES:
        if basis == text:
            return basis
    raise PriceParameterError("proration", f"use one of {', '.join(PRORATION_BASES)}")


def share_of(
    part: Period, whole: Period, basis: ProrationBasis, zone: ZoneInfo, whole_months: int = 0
) -> Share:
    """The share that `part` is of `whole`, a period of `whole_months` months.

    Raises `RatingInputError` for a part that sticks out, and for `fixed_30` without months.
    """
    if part.start < whole.start or part.end > whole.end:
        raise RatingInputError(f"part: {part} lies not within {whole}")
    if basis == "fixed_30":
        return _share_by_fixed_30(part, whole, zone, whole_months)
    start, end = local_date(whole.start, zone), local_date(whole.end, zone)
    if basis == "days" and start < end:
        days = local_date(part.end, zone) - local_date(part.start, zone)
        return Share(days.days, (end - start).days)
    micros = [(each.end - each.start) // _MICROSECOND for each in (part, whole)]
    if not any(each % _SECOND_MICROS for each in micros):
        micros = [each // _SECOND_MICROS for each in micros]
    return Share(*micros)


def _share_by_fixed_30(part: Period, whole: Period, zone: ZoneInfo, whole_months: int) -> Share:
    if whole_months < 1:
        raise RatingInputError("whole_months: fixed_30 needs a period of months, quarters or years")
    most = _MONTH_DAYS * whole_months
    first = _in_months_of_30(local_date(whole.start, zone))

    def position(at: datetime) -> int:
        if at == whole.end:
            return most
        return min(max(_in_months_of_30(local_date(at, zone)) - first, 0), most)

    return Share(position(part.end) - position(part.start), most)


def _in_months_of_30(day: date) -> int:
    return day.year * _YEAR_DAYS + day.month * _MONTH_DAYS + min(day.day, _MONTH_DAYS)


def with_shares(parts: pl.DataFrame) -> pl.DataFrame:
    """`parts` with Int64 columns `share_numerator` and `share_denominator`, as `share_of` has them.

    `parts` has at least the columns of `PARTS`. Raises `RatingInputError` where `share_of` does,
    `PriceParameterError` and `ValidationError` for a basis or a zone that is none.
    """
    _check_parts(parts)
    indexed = parts.with_row_index(_ORDER)
    zones = [parse_time_zone(name) for name in parts["time_zone"].unique().sort()]
    dated = pl.concat(
        indexed.filter(pl.col("time_zone") == zone.key).with_columns(
            pl.col(name).dt.convert_time_zone(zone.key).dt.date().name.prefix(_LOCAL)
            for name in _INSTANTS
        )
        for zone in zones or [ZoneInfo("UTC")]
    ).sort(_ORDER)
    numerator, denominator = _share_columns()
    return dated.select(*parts.columns, share_numerator=numerator, share_denominator=denominator)


def _check_parts(parts: pl.DataFrame) -> None:
    known = pl.Schema({name: parts.schema.get(name, pl.Null()) for name in PARTS})
    if known != PARTS or parts.select(PARTS.names()).null_count().sum_horizontal().item():
        raise RatingInputError(f"parts: expected {PARTS} without nulls, got {known}")
    for basis in parts["basis"].unique():
        parse_proration_basis(basis)
    wrong = parts.filter(
        (pl.col("part_start") < pl.col("whole_start"))
        | (pl.col("part_start") >= pl.col("part_end"))
        | (pl.col("part_end") > pl.col("whole_end"))
        | ((pl.col("basis") == "fixed_30") & (pl.col("whole_months") < 1))
    )
    if wrong.height:
        raise RatingInputError(
            "parts: a part is empty or sticks out of its period, or fixed_30 has no months:"
            f" {wrong.row(0, named=True)}"
        )


def _share_columns() -> tuple[pl.Expr, pl.Expr]:
    """Numerator and denominator, of the columns of `PARTS` and their local dates."""
    micros, days = (
        [(pl.col(f"{prefix}{each}_end") - pl.col(f"{prefix}{each}_start")) for each in _RANGES]
        for prefix in ("", _LOCAL)
    )
    part_micros, whole_micros = (each.dt.total_microseconds() for each in micros)
    part_days, whole_days = (each.dt.total_days() for each in days)
    whole_seconds = ((part_micros % _SECOND_MICROS) == 0) & ((whole_micros % _SECOND_MICROS) == 0)
    unit = pl.when(whole_seconds).then(_SECOND_MICROS).otherwise(1)

    most = pl.col("whole_months").cast(pl.Int64) * _MONTH_DAYS
    part_30 = _position_by_30("part_end", most) - _position_by_30("part_start", most)

    by_30 = pl.col("basis") == "fixed_30"
    by_days = (pl.col("basis") == "days") & (whole_days > 0)
    return (
        pl.when(by_30).then(part_30).when(by_days).then(part_days).otherwise(part_micros // unit),
        pl.when(by_30).then(most).when(by_days).then(whole_days).otherwise(whole_micros // unit),
    )


def _position_by_30(name: str, most: pl.Expr) -> pl.Expr:
    """How many days of 1/30 of a month lie before this instant of the period."""
    passed = _months_of_30(f"{_LOCAL}{name}") - _months_of_30(f"{_LOCAL}whole_start")
    at_end = pl.col(name) == pl.col("whole_end")
    return pl.when(at_end).then(most).otherwise(passed.clip(0, most))


def _months_of_30(name: str) -> pl.Expr:
    day = pl.col(name).dt
    years, months = day.year().cast(pl.Int64), day.month().cast(pl.Int64)
    days = day.day().cast(pl.Int64).clip(upper_bound=_MONTH_DAYS)
    return years * _YEAR_DAYS + months * _MONTH_DAYS + days
