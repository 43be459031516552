"""Dynamic: the amounts that the events themselves carry.

Parameters: `multiplier` (default 1) of these amounts; `default` = "0.02", currency units for each
unit of an event that carries no amount. Without a default such an event is refused: nothing that
was used is free by accident. Where events tell a price and a quantity, the meter multiplies them.
`event_amount` = "price.total" says where in an event its amount stands, to whoever reads events: an
expression, as a meter's value. Without it what the meter reads is the amount.
0.70, 0.55 and 2.20 for 7, 5 and 10 units → 3.45.
"""

from __future__ import annotations

from typing import ClassVar, Final

import polars as pl

from rating.bands import Band, BandBook, Banded
from rating.errors import UnpricedEventError
from rating.events import Events
from rating.prices.base import EventPriceModel, Terms, over_events
from rating.prices.reading import Fields

AMOUNT: Final = "event_amount"
"""The parameter that says where an event carries its amount."""


class DynamicPrice(EventPriceModel):
    """What the sender priced, passed on."""

    name: ClassVar[str] = "dynamic"

    def read(self, fields: Fields) -> Terms:
        """`multiplier`, `default` and `event_amount`."""
        if fields.has(AMOUNT):
            fields.name(AMOUNT)
        default = fields.has("default")
        bands = (
            Band(0, fields.amount("default", "0")),
            Band(1, fields.amount("multiplier", "1")),
        )
        return over_events(fields, Banded(bands, {"has_default": int(default)}))

    def parts(self, events: Events, book: BandBook) -> pl.LazyFrame:
        """An event with an amount lies in the second band, one without in the first."""
        first = events.of_price(book.prices["first"])
        missing = pl.col("amount").is_null()
        if events.rows["amount"].null_count():
            has_default = events.of_price(book.prices["has_default"])
            refused = events.rows.filter(missing & (has_default == 0))
            if refused.height:
                raise UnpricedEventError(events.line_ids(refused))
        return events.rows.lazy().select(
            "cell",
            "units",
            (first + (~missing).cast(pl.UInt32)).alias("band"),
            pl.coalesce("amount", "units").alias("value"),
            fee=pl.lit(value=False),
        )
