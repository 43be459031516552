"""Windows of time, cut into what the stored totals can answer and what only the events can.

A window is any half-open range of instants: a period of billing, a day in some zone, a quarter of
an hour. Its whole UTC days are answered by totals of any level, the whole hours around them by the
totals of chunks, and the rest, less than an hour at each edge, by the events themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import polars as pl

from core.clock import epoch_micros
from core.errors import ValidationError
from core.events import TIME_MAX_MICROS, TIME_MIN_MICROS
from core.period import Period

HOUR_SECONDS: Final = 3600
DAY_SECONDS: Final = 24 * HOUR_SECONDS
_HOUR_MICROS: Final = HOUR_SECONDS * 10**6
_DAY_HOURS: Final = 24


@dataclass(frozen=True, slots=True, order=True)
class Cells:
    """Hours or days `first` up to, and not including, `end`, counted from 1970, of a window.

    `seconds` is how long a cell is.
    """

    first: int
    end: int
    window: int
    seconds: int = HOUR_SECONDS


@dataclass(frozen=True, slots=True)
class Spans:
    """Windows in parts that do not overlap; `edges` are the hours that no window has as a whole."""

    windows: tuple[Period, ...]
    days: tuple[Cells, ...]
    hours: tuple[Cells, ...]
    edges: tuple[Cells, ...]

    @classmethod
    def of(cls, windows: Sequence[Period]) -> Spans:
        """Cut windows into parts. Raises `ValidationError` unless they are sorted and disjoint."""
        for one, after in pairwise(windows):
            if after.start < one.end:
                raise ValidationError(
                    f"windows: {after} begins before {one} ends; give them in order and disjoint",
                    field="windows",
                )
        days: list[Cells] = []
        hours: list[Cells] = []
        edges: set[int] = set()
        for number, window in enumerate(windows):
            # There are no events beyond, and no numbers for such hours in the tables.
            start = max(epoch_micros(window.start), TIME_MIN_MICROS)
            end = min(epoch_micros(window.end), TIME_MAX_MICROS)
            if start >= end:
                continue
            first_hour, end_hour = -(-start // _HOUR_MICROS), end // _HOUR_MICROS
            if start % _HOUR_MICROS:
                edges.add(first_hour - 1)
            if end % _HOUR_MICROS:
                edges.add(end_hour)
            first_day, end_day = -(-first_hour // _DAY_HOURS), end_hour // _DAY_HOURS
            if first_day < end_day:
                days.append(Cells(first_day, end_day, number, DAY_SECONDS))
                hours += _some(first_hour, first_day * _DAY_HOURS, number)
                hours += _some(end_day * _DAY_HOURS, end_hour, number)
            else:
                hours += _some(first_hour, end_hour, number)
        return cls(tuple(windows), tuple(days), tuple(hours), tuple(_joined(sorted(edges))))

    @property
    def all_cells(self) -> tuple[Cells, ...]:
        """Whatever hours some window needs, each once."""
        return tuple(sorted((*as_hours(self.days), *self.hours, *self.edges)))

    def place(self, events: pl.DataFrame) -> pl.DataFrame:
        """`events` with `window` UInt32: those inside a window, by `time`."""
        schema = {"window": pl.UInt32, "starts": pl.Int64, "ends": pl.Int64}
        bounds = [
            (number, epoch_micros(window.start), epoch_micros(window.end))
            for number, window in enumerate(self.windows)
        ]
        frame = pl.DataFrame(bounds, schema, orient="row")
        at = events["time"].dt.epoch("us")
        found = frame["starts"].search_sorted(at, side="right").cast(pl.Int64) - 1
        inside = (found >= 0) & (at < frame["ends"].gather(found.clip(0)))
        return events.with_columns(found.cast(pl.UInt32, strict=False).alias("window")).filter(
            inside
        )


def as_hours(cells: Iterable[Cells]) -> list[Cells]:
    """The same stretches of time in hours."""
    return [
        Cells(
            each.first * each.seconds // HOUR_SECONDS,
            each.end * each.seconds // HOUR_SECONDS,
            each.window,
        )
        for each in cells
    ]


def _some(first: int, end: int, window: int) -> Iterator[Cells]:
    if first < end:
        yield Cells(first, end, window)


def _joined(hours: Sequence[int]) -> Iterator[Cells]:
    """Sorted hours as ranges; they belong to no one window."""
    first: int | None = None
    for at, hour in enumerate(hours):
        first = hour if first is None else first
        if at + 1 == len(hours) or hours[at + 1] != hour + 1:
            yield Cells(first, hour + 1, 0)
            first = None
