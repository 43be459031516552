"""Single events for rating, as tests write them, and the frames that they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl

from rating.engine import rate_period
from rating.frames import GROUPED_EVENTS, USAGE
from rating.prices import Price
from tests.rating.builders import NOVEMBER, dimensions_of, group_text, lines


@dataclass(frozen=True)
class Event:
    """One event; of those at one time the text of the id decides."""

    value: Decimal
    time: datetime = NOVEMBER
    event_id: str = ""
    amount: Decimal | None = None
    zone: str | None = None
    group: str = ""

    @property
    def units(self) -> Fraction:
        return Fraction(self.value)


NO_USAGE = pl.DataFrame(schema=USAGE)


def written(table: Mapping[str, Any], number: int) -> Event:
    """An event of a golden file: `value`, and maybe `time`, `amount`, `zone`, `group`."""
    return Event(
        Decimal(table["value"]),
        table.get("time", NOVEMBER + timedelta(seconds=number)),
        f"event-{number:03}",
        Decimal(table["amount"]) if "amount" in table else None,
        table.get("zone"),
        table.get("group", ""),
    )


def values(*numbers: str) -> list[Event]:
    """Events of these values, a second apart."""
    return [written({"value": each}, number) for number, each in enumerate(numbers)]


def event_inputs(
    prices: Sequence[Price], events: Sequence[Sequence[Event]]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One line per price, each of its own subscription, and its events."""
    subs = [f"sub-{index:04}" for index in range(len(prices))]
    wanted = [(sub, "line", "meter", each.price_id) for sub, each in zip(subs, prices, strict=True)]
    rows = [
        (
            sub,
            NOVEMBER,
            "meter",
            event.time,
            event.event_id or f"event-{number:03}",
            event.value,
            event.amount,
            event.zone,
            group_text(dimensions_of(each.parameters)),
            event.group,
        )
        for sub, each, happened in zip(subs, prices, events, strict=True)
        for number, event in enumerate(happened)
    ]
    return lines(*wanted), pl.DataFrame(rows, schema=GROUPED_EVENTS, orient="row")


def rate_events(prices: Sequence[Price], events: Sequence[Sequence[Event]]) -> pl.DataFrame:
    """`rate_period` of one line per price."""
    wanted, frame = event_inputs(prices, events)
    return rate_period(wanted, NO_USAGE, prices, frame)


def in_order(events: Sequence[Event]) -> list[Event]:
    return sorted(events, key=lambda event: (event.time, event.event_id))
