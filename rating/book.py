"""The prices of one call, read once: what each line needs to know of its price, as a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from rating.around import around_frame, read_around
from rating.bands import BandBook, Banded
from rating.frames import check_frame
from rating.prices import MODELS, Price, model_named
from rating.prices.reading import group_text
from rating.tiers import Run, TierBook

PRICES: Final = pl.Schema(
    {
        "price_id": pl.String(),
        "price_hash": pl.String(),
        "model": pl.String(),
        "currency": pl.String(),
        "minor_digits": pl.Int32(),
        "rounding_mode": pl.String(),
        "model_index": pl.UInt32(),  # in `MODELS`
        "price": pl.UInt32(),  # in the model's book
        "metered": pl.Boolean(),
        "of_lines": pl.Boolean(),  # its quantity is what other lines bill
        "over_events": pl.Boolean(),
        "group_by": pl.String(),  # as in `frames.GROUPED_USAGE`
        "priced": pl.UInt32(),  # row of the price in `PriceBook.around`
        "keeps_amount": pl.Boolean(),
    }
)
_LISTED: Final = pl.Schema({"price_id": pl.String(), "group": pl.String()})
_CHOSEN: Final = pl.Schema({"price_id": pl.String(), "name": pl.String()})


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Checked prices: `prices` has `PRICES`, `listed` the groups that a price names.

    `chosen`: the lines that a price is a percentage of, as it names them.
    """

    prices: pl.DataFrame
    listed: pl.DataFrame
    chosen: pl.DataFrame
    tiers: tuple[TierBook, ...]
    """Beside `MODELS`."""
    bands: tuple[BandBook, ...]
    """Beside `MODELS`; empty for a model over quantities."""
    around: pl.DataFrame
    """Beside `prices`: `around.AROUND`."""

    @classmethod
    def of(cls, prices: Sequence[Price]) -> PriceBook:
        """Read all parameters. Raises `PriceParameterError` and `UnknownPriceModelError`."""
        indexes = {model.name: index for index, model in enumerate(MODELS)}
        terms = [model_named(price.model).terms(price.parameters) for price in prices]
        runs: list[list[tuple[Run, ...]]] = [[] for _ in MODELS]
        bands: list[list[Banded]] = [[] for _ in MODELS]
        rows: list[tuple[object, ...]] = []
        around = [read_around(price.adjustments, model_named(price.model)) for price in prices]
        for price, said, each in zip(prices, terms, around, strict=True):
            index = indexes[price.model]
            rows.append(
                (
                    price.price_id,
                    price.content_hash,
                    price.model,
                    price.currency.code,
                    price.currency.minor_digits,
                    price.rounding_mode,
                    index,
                    len(runs[index]),
                    MODELS[index].metered,
                    MODELS[index].of_lines,
                    MODELS[index].over_events,
                    group_text(said.group_by) if said.group_by else "",
                    len(rows),
                    each.keeps_amount,
                )
            )
            runs[index].append(said.runs)
            if said.banded:
                bands[index].append(said.banded)
        frame = pl.DataFrame(rows, schema=PRICES, orient="row")
        check_frame("prices", frame, PRICES, ("price_id",))
        listed = [
            (price.price_id, group)
            for price, said in zip(prices, terms, strict=True)
            for group in said.groups
        ]
        chosen = [
            (price.price_id, name)
            for price, said in zip(prices, terms, strict=True)
            for name in said.lines
        ]
        books = (
            TierBook.of(written, marginal=model.marginal)
            for model, written in zip(MODELS, runs, strict=True)
        )
        return cls(
            frame,
            pl.DataFrame(listed, schema=_LISTED, orient="row"),
            pl.DataFrame(chosen, schema=_CHOSEN, orient="row"),
            tuple(books),
            tuple(BandBook.of(written) for written in bands),
            around_frame(around),
        )

    def says(self, field: str) -> bool:
        """Whether any price has this adjustment."""
        return self.around[field].null_count() < self.around.height

    def around_of(self, field: str) -> pl.Expr:
        """An adjustment of the price of each line, in units of 10^-12; null where it has none."""
        return pl.lit(self.around[field]).gather(pl.col("priced"))
