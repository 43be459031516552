"""The single events that a meter counts, for prices that look at each by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Protocol
from uuid import UUID

import polars as pl

from catalog.meter_definition import MeterDefinition, counted_period
from catalog.metering.aggregate import total
from catalog.metering.rows import QUANTITY
from core.ids import MeterId
from core.period import Period
from usage.cut import Cut
from usage.gather import compile_all
from usage.grouped import check_dimensions, group_texts

PRICED_EVENTS: Final = pl.Schema(
    {
        "subject": pl.String(),
        "group": pl.String(),
        "time": pl.Datetime("us", "UTC"),
        "event_id": pl.String(),
        "value": QUANTITY,
        "amount": QUANTITY,
    }
)
_PLACE: Final = ("generation", "partition", "offset", "row")
_DIGITS: Final = (5, 5, 20, 10)
"""Of their largest values."""

_AMOUNT: Final = MeterId(UUID(int=0))
"""What reads the amounts is no meter of anybody: it lives for one answer."""


class MeasuredEvents(Protocol):
    """What is asked of `usage.reader.UsageReader`."""

    def measured_events(
        self,
        meters: Sequence[MeterDefinition],
        period: Period,
        cut: Cut,
        subjects: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """See `UsageReader.measured_events`."""
        ...


def priced_events(
    reader: MeasuredEvents,
    meter: MeterDefinition,
    period: Period,
    cut: Cut,
    subjects: Sequence[str] | None = None,
    *,
    dimensions: Sequence[str] = (),
    amount: str = "",
) -> pl.DataFrame:
    """`PRICED_EVENTS` of a count or a sum: what it counts in a period, voids taken off.

    group: the values of `dimensions` as rating has them, '' without any. event_id: the event's
    place in the log, in texts that compare as places do. value: null where the meter cannot read
    it. amount: what the expression `amount` reads of the event; null where it is not there, and
    where it cannot be read, which makes the value null, too.

    Raises `ValidationError` for a dimension that the meter does not have, `DependencyDownError` as
    the reader.
    """
    check_dimensions(meter, dimensions)
    counted = counted_period(meter, period)
    if counted is None or (subjects is not None and not subjects):
        return pl.DataFrame(schema=PRICED_EVENTS)
    asked = [meter]
    if amount:
        asked.append(replace(meter, id=_AMOUNT, aggregation="sum", value=amount))
    measured = reader.measured_events(asked, counted, cut, subjects)
    single = total(measured, compile_all(asked), _PLACE)
    mine = single.filter(pl.col("meter_id") == str(meter.id))
    found = mine.join(measured.select(*_PLACE, "time"), on=_PLACE).join(
        group_texts(mine, meter, dimensions), on="dimensions"
    )
    worth = pl.lit(1).cast(QUANTITY) if meter.aggregation == "count" else pl.col("sum")
    value = pl.when(pl.col("event_count") > 0).then(worth)
    if amount:
        found = found.join(_amounts(single), on=_PLACE, how="left")
        value = pl.when(~pl.col("unreadable").fill_null(value=False)).then(value)
    else:
        found = found.with_columns(amount=pl.lit(None, QUANTITY))
    return (
        found.with_columns(
            value=value,
            event_id=_event_ids(),
            group=pl.col("group_text") if dimensions else pl.lit(""),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in PRICED_EVENTS.items())
        .sort("subject", "group", "time", "event_id")
    )


def _event_ids() -> pl.Expr:
    parts = zip(_PLACE, _DIGITS, strict=True)
    return pl.concat_str(
        (pl.col(name).cast(pl.String).str.zfill(digits) for name, digits in parts), separator="/"
    )


def _amounts(single: pl.DataFrame) -> pl.DataFrame:
    """`amount` of each event, and whether something stands there that is none."""
    rows = single.filter(pl.col("meter_id") == str(_AMOUNT))
    return rows.select(
        *_PLACE,
        pl.when(pl.col("event_count") > 0).then("sum").alias("amount"),
        (pl.col("unmeterable_count") > pl.col("missing_count")).alias("unreadable"),
    )
