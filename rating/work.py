"""What the steps of rating pass from one to the next, and what a step is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from rating.book import PriceBook
from rating.events import Events
from rating.exact import Exact
from rating.pieces import Pieces

LINE_PARTS: Final = 3
"""Parts of a line's amount: those of a model's amount, and one more for a percentage of it."""

AMOUNT: Final = Exact.named("amount", LINE_PARTS)
"""The exact amount of a line, from the price model on."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a step reads and what it passes on."""

    lines: pl.DataFrame
    """One row per line, in the order given: `line` is its number."""
    usage: pl.DataFrame
    """As handed in, `frames.GROUPED_USAGE`."""
    book: PriceBook
    given_events: pl.DataFrame
    """As handed in, `frames.GROUPED_EVENTS`."""
    events: Events = field(default_factory=Events)
    """Those of the lines whose price reads them."""
    used: pl.DataFrame = field(default_factory=pl.DataFrame)
    """One row per line and group, of `used.usage_rows`; quantities before the price go here."""
    pieces: list[Pieces] = field(default_factory=list)
    shared: bool = False
    """Whether any line is for a part of its period: then all amounts are numerators."""

    def priced_usage(self) -> pl.LazyFrame:
        """`used` with `priced`, the row of its price, which `PriceBook.around_of` reads."""
        return self.used.lazy().with_columns(priced=self.of_line("priced"))

    def of_line(self, column: str) -> pl.Expr:
        """A column of the lines, for the line that a row of `used` belongs to."""
        return pl.lit(self.lines[column]).gather(pl.col("line"))


@dataclass(frozen=True, slots=True)
class Step:
    """One step of rating and the reason for its place."""

    name: str
    run: Callable[[Work], Work]
    why_here: str
    tell: Callable[[Work], pl.DataFrame | None] | None = None
    """Rows of `told.TOLD` for the derivation, from what `run` left; None where nothing is told."""
