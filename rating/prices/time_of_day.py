"""Time of day: seconds at the price of the band that each lies in, by the customer's local time.

An event lasts its value, in seconds, from its time on. Parameters: `bands`, looked at in order: the
first that holds a local time prices it. Each has `unit_amount` per second, maybe a `connect_fee`;
and `days` (default all), `from` and `to` ("08:00" to "18:00"; "22:00" to "06:00" ends on the day
after). The last has no times: it is for all that are left. `increments` = { first, next } in
seconds: what is begun of them is billed, as time after the event.
The connect fee is billed once, of the band in which the event begins. An event of no seconds costs
nothing; a negative value is the mirror, without the fee, begun increments left out.
17:59 to 18:01 at 1 a second with a fee of 1, from 18:00 at 0.5 → 60 + 30 + 1 = 91.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import ClassVar, Final

import polars as pl

from rating.bands import Band, BandBook, Banded, parted
from rating.errors import PriceParameterError, QuantityTooLargeError
from rating.events import Events
from rating.exact import LIMB, int128
from rating.local_time import UTC, Offsets
from rating.prices.base import EventPriceModel, Terms, over_events
from rating.prices.reading import Fields
from rating.tiers import with_found

BANDS_MAX: Final = 24
INCREMENT_LIMIT: Final = 86_401
"""Increments are shorter, in seconds: at most a day."""

DURATION_MAX_SECONDS: Final = 90 * 86_400
"""An event lasts at most 90 days: places in a week, in 10^-12 s, stay within an Int64."""

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES: Final = 1_440
_WEEK_MINUTES: Final = len(_DAYS) * _DAY_MINUTES
_WEEK_US: Final = _WEEK_MINUTES * 60_000_000
_US: Final = 1_000_000
"""Of 10^-12 s in a microsecond."""
_WEEK: Final = _WEEK_US * _US
_MONDAY_US: Final = 3 * 86_400_000_000
"""1970 began on a Thursday."""
_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00", re.ASCII)


class TimeOfDayPrice(EventPriceModel):
    """Seconds by the clock on the customer's wall."""

    name: ClassVar[str] = "time_of_day"
    curve_over: ClassVar[str] = "seconds of an event that begins at midnight"

    def read(self, fields: Fields) -> Terms:
        """`bands` and `increments`."""
        written = fields.tables("bands", BANDS_MAX)
        bands = []
        week: list[int | None] = [None] * _WEEK_MINUTES
        for number, each in enumerate(written):
            held = set(_minutes(each, last=number == len(written) - 1))
            free = [minute for minute in held if week[minute] is None]
            if not free:
                raise PriceParameterError(
                    each.path("from"), "is never reached: the bands before hold all its times"
                )
            for minute in free:
                week[minute] = number
            rate, fee = each.amount("unit_amount"), each.amount("connect_fee", "0")
            bands.append(Band(number + 1, rate, fixed=fee))
            each.done()
        inner = fields.table("increments")
        said = fields.has("increments")
        first, following = (_increment(inner, name) if said else 0 for name in ("first", "next"))
        inner.done()
        terms = {"increment_first": first, "increment_next": following}
        return over_events(fields, Banded(tuple(bands), terms, tuple(_cuts(week))))

    def parts(self, events: Events, book: BandBook) -> pl.LazyFrame:
        """A part for each stretch of an event inside a band, and of one offset of its zone."""
        rows = _billed(events, book).collect(engine="streaming")
        offsets, zone = _offsets(events, rows)
        local = _at_local_time(rows.lazy().with_columns(zone=zone), offsets)
        return _in_bands(events, local, book)


def _minutes(fields: Fields, *, last: bool) -> Iterator[int]:
    """The minutes of the week that a band says."""
    if last:
        for name in ("days", "from", "to"):
            if fields.has(name):
                raise PriceParameterError(
                    fields.path(name), "the last band must be for all times: leave it out"
                )
        yield from range(_WEEK_MINUTES)
        return
    days = fields.names("days", len(_DAYS)) if fields.has("days") else _DAYS
    if unknown := [day for day in days if day not in _DAYS]:
        raise PriceParameterError(
            fields.path("days"), f"use some of {', '.join(_DAYS)}, got {unknown[0]!r}"
        )
    start, end = _clock(fields, "from", "00:00"), _clock(fields, "to", "24:00")
    if start == end:
        raise PriceParameterError(
            fields.path("to"), "is the same as from; leave both out for a day"
        )
    length = (end - start) % _DAY_MINUTES or _DAY_MINUTES
    for day in days:
        begins = _DAYS.index(day) * _DAY_MINUTES + start
        yield from (minute % _WEEK_MINUTES for minute in range(begins, begins + length))


def _clock(fields: Fields, name: str, default: str) -> int:
    """A time of day, in minutes."""
    text = fields.name(name) if fields.has(name) else default
    if not _CLOCK.fullmatch(text) or (name == "from" and text == "24:00"):
        raise PriceParameterError(fields.path(name), f'give a time such as "08:30", got {text!r}')
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _increment(fields: Fields, name: str) -> int:
    size = fields.units(name, fields.decimal(name), INCREMENT_LIMIT)
    if not size:
        raise PriceParameterError(fields.path(name), "must be above zero")
    return size


def _cuts(week: list[int | None]) -> Iterator[tuple[int, int]]:
    """Where each stretch of the week ends, in 10^-12 s, and its band."""
    end = 0
    for band, stretch in groupby(week):
        end += len(list(stretch))
        yield end * 60_000_000 * _US, int(band or 0)


def _billed(events: Events, book: BandBook) -> pl.LazyFrame:
    """`used` and `billed` 10^-12 s of each event that lasted, from `at` in microseconds on."""
    size = pl.col("units").abs()
    most = int128(DURATION_MAX_SECONDS * LIMB)
    over = events.rows.filter(size > most)
    if over.height:
        named = events.line_ids(over)
        raise QuantityTooLargeError([f"{each} (an event of more than 90 days)" for each in named])
    rows = events.rows.lazy().filter(pl.col("units") != 0)
    rows = rows.select(
        "cell",
        pl.col("time").to_physical().alias("at"),
        size.cast(pl.Int64).alias("used"),
        pl.col("units").sign().cast(pl.Int64).alias("sign"),
    )
    used = pl.col("used")
    if not (book.prices["increment_first"] > 0).any():
        return rows.with_columns(billed=used, low=pl.lit(0, pl.Int64), high=used)
    first, following = (
        events.of_price(book.prices[name].cast(pl.Int64))
        for name in ("increment_first", "increment_next")
    )
    over_first, step = used - first, following.clip(lower_bound=1)
    begun = (over_first % step != 0) & (pl.col("sign") > 0)
    more = first + (over_first // step + begun.cast(pl.Int64)) * step
    least = pl.when(pl.col("sign") > 0).then(first).otherwise(pl.lit(0, pl.Int64))
    billed = pl.when(first == 0).then(used).when(used < first).then(least).otherwise(more)
    rows = rows.with_columns(billed=billed, low=pl.lit(0, pl.Int64))
    return rows.with_columns(high=pl.max_horizontal("used", "billed"))


def _offsets(events: Events, rows: pl.DataFrame) -> tuple[Offsets, pl.Expr]:
    """The offsets of all zones while these events last, and the zone of each."""
    zones = events.cells["zone"].fill_null(UTC)
    names = zones.unique(maintain_order=True)
    number = names.to_frame("zone").with_row_index("number")
    of_cell = zones.to_frame("zone").join(number, on="zone", how="left", maintain_order="left")
    first, last = rows.select(
        pl.col("at").min().fill_null(0).alias("first"),
        (pl.col("at") + pl.col("high") // _US).max().fill_null(0).alias("last"),
    ).row(0)
    return Offsets.of(names.to_list(), first, last), events.of_cell(of_cell["number"])


def _at_local_time(rows: pl.LazyFrame, offsets: Offsets) -> pl.LazyFrame:
    """Add `place`, where in its week a stretch begins, in 10^-12 s of local time.

    An event over a change of the clock becomes a stretch for each offset.
    """
    rows = offsets.with_row(rows, "offset", pl.col("at"))
    until = offsets.of_row("until", "offset")
    # What is further away than any event lasts is cut, so that it fits an Int64 of 10^-12 s.
    far = pl.lit((DURATION_MAX_SECONDS + INCREMENT_LIMIT) * 10**6, pl.Int64)
    left = pl.min_horizontal(until - pl.col("at"), far) * _US
    within, beyond = parted(rows, pl.col("high") > left)
    ends = pl.col("at") + pl.col("high") // _US
    crossing = offsets.with_row(beyond, "last", ends)
    crossing = crossing.with_columns(begins=pl.col("offset"))
    crossing = crossing.with_columns(
        offset=pl.int_ranges(pl.col("offset"), pl.col("last") + 1)
    ).explode("offset", empty_as_null=False, keep_nulls=False)
    crossing = crossing.with_columns(pl.col("offset").cast(pl.UInt32))
    until = offsets.of_row("until", "offset")
    since = offsets.table["until"].shift(fill_value=0)
    low = (pl.lit(since).gather(pl.col("offset")) - pl.col("at")) * _US
    low = pl.when(pl.col("offset") == pl.col("begins")).then(pl.lit(0, pl.Int64)).otherwise(low)
    left = pl.min_horizontal(until - pl.col("at"), far) * _US
    crossing = crossing.with_columns(low=low, high=pl.min_horizontal("high", left))
    crossing = crossing.filter(pl.col("high") > pl.col("low")).drop("last", "begins")
    stretches = pl.concat([within, crossing])
    local = pl.col("at") + pl.col("low") // _US + offsets.of_row("offset", "offset")
    return stretches.with_columns(place=(local + _MONDAY_US) % _WEEK_US * _US)


def _in_bands(events: Events, rows: pl.LazyFrame, book: BandBook) -> pl.LazyFrame:
    """From stretches of local time to parts inside one band."""
    ends = book.cuts["up_to"]
    most: int = book.prices["cut_count"].max()  # type: ignore[assignment]  # a column of integers
    run = events.of_price(book.prices["cut_first"]), events.of_price(book.prices["cut_count"])
    rows = with_found(rows, "cut", pl.col("place") + 1, ends, run, most)
    # From here on the stretch ends at `stop` of the week in which it begins.
    rows = rows.with_columns(stop=pl.col("place") + pl.col("high") - pl.col("low"))
    within, beyond = parted(rows, pl.col("stop") > pl.lit(ends).gather(pl.col("cut")))
    last = (pl.col("stop") - 1) % _WEEK + 1
    crossing = with_found(beyond, "last", last, ends, run, most)
    weeks = (pl.col("stop") - 1) // _WEEK
    index = pl.int_ranges(
        (pl.col("cut") - run[0]).cast(pl.Int64),
        (pl.col("last") - run[0]).cast(pl.Int64) + weeks * run[1] + 1,
    )
    crossing = crossing.with_columns(index=index, begins=pl.col("low")).explode(
        "index", empty_as_null=False, keep_nulls=False
    )
    crossing = crossing.with_columns(
        cut=(run[0] + pl.col("index") % run[1]).cast(pl.UInt32),
        week=pl.col("index") // run[1] * _WEEK,
    )
    lower = pl.lit(ends.shift(fill_value=0)).gather(pl.col("cut"))
    starts = pl.when(pl.col("index") % run[1] == 0).then(pl.lit(0, pl.Int64)).otherwise(lower)
    begin = pl.max_horizontal(pl.col("week") + starts, pl.col("place"))
    stop = pl.min_horizontal(pl.col("week") + pl.lit(ends).gather(pl.col("cut")), pl.col("stop"))
    crossing = crossing.with_columns(
        low=pl.col("begins") + begin - pl.col("place"),
        high=pl.col("begins") + stop - pl.col("place"),
    )
    return pl.concat([_part(within, book), _part(crossing, book)])


def _part(rows: pl.LazyFrame, book: BandBook) -> pl.LazyFrame:
    """What of a stretch was used, and what is billed."""
    sign = pl.col("sign")

    def within(total: str) -> pl.Expr:
        inside = pl.min_horizontal("high", total) - pl.min_horizontal("low", total)
        return (inside * sign).cast(pl.Int128)

    return rows.select(
        "cell",
        pl.lit(book.cuts["band"]).gather(pl.col("cut")).alias("band"),
        within("used").alias("units"),
        within("billed").alias("value"),
        ((pl.col("low") == 0) & (sign > 0)).alias("fee"),
    )
