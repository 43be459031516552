"""The frames that rating takes, of a block of due periods and what was used in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import polars as pl

from core.calendar.zones import parse_time_zone
from invoicing.model import MINIMUM_KEY, WHOLE, Billable, PlanLine, Section
from invoicing.used import COUNTS, Used
from invoicing.ways import Way, ways_of
from rating.engine import rate_period
from rating.frames import (
    AGREED,
    CHOSEN_FROM,
    GROUPED_USAGE,
    INSTANT_DTYPE,
    LINES,
    PERIOD_KEY,
    SHARE,
    USAGE,
)
from rating.prices import Price
from rating.proof import row_digests
from rating.proration import Share, share_of
from rating.sums import sum_quantities

_NEVER: Final = datetime(1900, 1, 1, tzinfo=UTC)
_EACH: Final = (*PERIOD_KEY, "meter_id")


def parts_of(
    billables: Sequence[Billable],
) -> Iterator[tuple[Billable, Billable | Section]]:
    """All parts of the billables, in the order in which their lines are rated."""
    return ((billable, part) for billable in billables for part in billable.parts)


@dataclass(frozen=True, slots=True)
class RatingFrames:
    """What `rating.engine` is called with."""

    lines: pl.DataFrame
    """In the order of the billables, their parts, and their lines."""
    usage: pl.DataFrame
    prices: tuple[Price, ...]
    events: pl.DataFrame | None
    used: Used
    ways: Mapping[str, Way]

    @classmethod
    def of(cls, billables: Sequence[Billable], used: Used) -> RatingFrames:
        """The frames of some billables."""
        prices = {
            line.price.price_id: line.price
            for each in billables
            for part in each.parts
            for line in part.lines
        }
        lines, agreed = _lines(billables)
        summed = sum_quantities(used.plain, _EACH, "quantity", COUNTS)
        usage = pl.concat([summed.select(USAGE.names()), agreed]) if agreed.height else summed
        if used.grouped.height:
            key = (*_EACH, "group_by", "group")
            groups = sum_quantities(used.grouped, key, "quantity", COUNTS)
            plain = usage.with_columns(group_by=pl.lit(""), group=pl.lit(""))
            parts = [part.select(GROUPED_USAGE.names()) for part in (plain, groups)]
            usage = pl.concat(parts).match_to_schema(GROUPED_USAGE)
        events = used.events if used.events.height else None
        ways = ways_of(prices.values())
        return cls(lines, usage, tuple(prices.values()), events, used, ways)

    def rated(self) -> pl.DataFrame:
        """`rating.frames.RATED` of the lines, with `usage_digest`."""
        rated = rate_period(self.lines, self.usage, self.prices, self.events)
        return rated.with_columns(usage_digest=self._digests(rated))

    def _digests(self, rated: pl.DataFrame) -> pl.Series:
        """Of what was read for each line, subject by subject or event by event."""
        wanted = rated.select(_EACH)
        if not any(way != Way() for way in self.ways.values()):
            return row_digests(wanted, self.used.plain)
        told = {name: (way.grouping, way.events) for name, way in self.ways.items()}
        wanted = wanted.with_columns(
            pl.Series("group_by", [told[name][0] for name in rated["price_id"]], pl.String)
        )
        by_events = pl.Series([told[name][1] for name in rated["price_id"]], dtype=pl.Boolean)
        return pl.select(
            pl.when(by_events)
            .then(row_digests(wanted, self.used.events))
            .when(wanted["group_by"] != "")
            .then(row_digests(wanted, self.used.grouped))
            .otherwise(row_digests(wanted.select(_EACH), self.used.plain))
        ).to_series()


def _lines(billables: Sequence[Billable]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`LINES`, with shares where one is not whole, and `USAGE` of quantities that are agreed."""
    rows, agreed, shares, eras = [], [], [], []
    for billable, part in parts_of(billables):
        subscription_id = str(billable.subscription_id)
        for line in part.lines:
            start, meter = line.span_in(part.period).start, _meter_of(line)
            owner = subscription_id
            # Apart, so that no percentage of lines counts a minimum.
            if line.minimum:
                owner = f"{MINIMUM_KEY} of {subscription_id}"
            # And that what is billed in advance does not meet itself at the next boundary.
            elif line.in_advance:
                owner = f"{billable.at.isoformat()} of {subscription_id}"
            rows.append((owner, start, line.key, meter, line.price.price_id))
            if line.quantity is not None:
                agreed.append((owner, start, meter, line.quantity, 0, 0))
            shares.append((*_share(line, billable, part), line.quantity is not None))
            # No percentage counts a line that is not of its period.
            own = part.period.start if part is billable else _NEVER
            eras.append(line.era or own)
    frame = pl.DataFrame(rows, schema=LINES, orient="row")
    if any(share[0] != share[1] for share in shares):
        schema = {**SHARE, AGREED: pl.Boolean()}
        frame = frame.hstack(pl.DataFrame(shares, schema=schema, orient="row"))
    if any(
        part is not billable or line.span or line.era
        for billable, part in parts_of(billables)
        for line in part.lines
    ):
        frame = frame.with_columns(pl.Series(CHOSEN_FROM, eras, INSTANT_DTYPE))
    return frame, pl.DataFrame(agreed, schema=USAGE, orient="row")


def _meter_of(line: PlanLine) -> str | None:
    """What the line's usage is known by; an agreed quantity is that of no meter."""
    if line.quantity is not None:
        return f"agreed {line.key}"
    return str(line.meter_id) if line.meter_id else None


def _share(line: PlanLine, billable: Billable, part: Billable | Section) -> Share:
    """Which share of what its price is for the line is for."""
    span = line.span_in(part.period)
    if span == part.priced_period:
        return WHOLE
    zone = parse_time_zone(billable.time_zone)
    return share_of(span, part.priced_period, "seconds", zone)
