"""Percentage: a rate of the value of each event, a fixed amount, and bounds for each event.

Parameters: `rate` in percent; `unit_amount` (default 1), what a unit of value is worth where the
meter does not count currency units; `fixed` per event; `minimum` and `maximum` per event;
`free_events` and `free_amount`, in units of value: what is free, in the order of time.
An event is free while both limits hold that are said: the first reached ends the free part. The
event that crosses the free amount pays for the rest of its value, and the fixed amount. An event
that is not free costs clamp(value x rate + fixed, minimum, maximum): with or without bounds, free
or not, it is one rule.
A negative value is the mirror: no fixed amount, no minimum, the maximum mirrored. It takes back
what was paid last; where the value so far falls into what is free, that is free again, and below
zero the free amount is mirrored, too.
4 events of 10 at 1 with 0.2 fixed, 3 free, free amount 100: the fourth costs 0.1 + 0.2 = 0.3.
"""

from __future__ import annotations

from typing import ClassVar

import polars as pl

from rating.bands import Band, BandBook, Banded
from rating.errors import PriceParameterError
from rating.events import Events
from rating.exact import LIMB, UNITS_LIMIT, int128
from rating.prices.base import EventPriceModel, Terms, over_events
from rating.prices.reading import PRICE_LIMIT, Fields

_NO_LIMIT = UNITS_LIMIT - 1


class PercentagePrice(EventPriceModel):
    """A share of each event."""

    name: ClassVar[str] = "percentage"

    def read(self, fields: Fields) -> Terms:
        """`rate`, and maybe all the others."""
        minimum, maximum = (
            fields.amount(name) if fields.has(name) else None for name in ("minimum", "maximum")
        )
        if minimum is not None and maximum is not None and minimum > maximum:
            raise PriceParameterError("minimum", "is above the maximum; lower it")
        band = Band(1, _rate(fields), fields.amount("fixed", "0"), minimum, maximum)
        events = fields.count("free_events") if fields.has("free_events") else None
        amount = fields.quantity("free_amount") if fields.has("free_amount") else None
        free = events is not None or amount is not None
        terms = {
            "free_events": events or (_NO_LIMIT if free else 0),
            "free_amount": amount if amount is not None else (_NO_LIMIT if free else 0),
            "free_below_zero": amount or 0,
        }
        return over_events(fields, Banded((band,), terms))

    def parts(self, events: Events, book: BandBook) -> pl.LazyFrame:
        """One part for each event: what of it is not free."""
        prices, units, zero = book.prices, pl.col("units"), int128(0)
        rows = events.rows.lazy().with_columns(band=events.of_price(prices["first"]))
        counts = units >= 0
        if not (prices["free_events"] > 0).any():
            return rows.select("cell", "band", units.alias("value"), fee=counts)
        free_events, free_amount = (
            events.of_price(prices[name]) for name in ("free_events", "free_amount")
        )
        rows = rows.with_columns(
            number=events.so_far(counts.cast(pl.Int128)), after=events.so_far(units)
        )
        # The free events free what they brought, so that what is taken back of it is free as well.
        brought = pl.when(pl.col("number") <= free_events).then(units.clip(lower_bound=zero))
        limit = pl.min_horizontal(free_amount, events.of_cell(events.sums(rows, brought)))
        below = events.of_price(prices["free_below_zero"])
        after, before = pl.col("after"), pl.col("after") - units
        paid = _beyond(after, limit, below) - _beyond(before, limit, below)
        rows = rows.with_columns(value=paid)
        within = (pl.col("number") <= free_events) & (after <= free_amount) & (free_events > 0)
        free = units - pl.col("value")
        return rows.select("cell", "band", "value", free=free, fee=counts & ~within)


def _beyond(total: pl.Expr, limit: pl.Expr, below: pl.Expr) -> pl.Expr:
    """What of a value so far is not free: above the limit, or below that of negative values."""
    zero = int128(0)
    return (total - limit).clip(lower_bound=zero) - (zero - total - below).clip(lower_bound=zero)


def _rate(fields: Fields) -> int:
    """What a unit of value costs, in units of 10^-12."""
    rate, worth = fields.share("rate", 100), fields.amount("unit_amount", "1")
    product, rest = divmod(rate * worth, LIMB)
    if rest:
        raise PriceParameterError(
            fields.path("rate"), "has more than 12 decimals together with unit_amount"
        )
    if product >= PRICE_LIMIT * LIMB:
        raise PriceParameterError(fields.path("rate"), "must be below 10^15 with unit_amount")
    return product
