"""Aggregations that nothing merges to: they are worked out from every value by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

import polars as pl

from catalog.meter_definition import MeterDefinition
from catalog.metering.aggregate import total
from catalog.metering.aggregations import AGGREGATIONS
from core.period import Period
from usage.gather import Source, compile_all, total_windows
from usage.quantities import ANSWER, as_answer
from usage.spans import Spans

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_OF_METER: Final = ("subject", "dimensions")
_GROUP: Final = ("meter_id", *_OF_METER)
_PLACE: Final = ("generation", "partition", "offset", "row")
_VALUES: Final = pl.Schema(
    {
        **{name: ANSWER[name] for name in ("window", *_GROUP)},
        "value": ANSWER["quantity"],
        "time": pl.Datetime("us", "UTC"),
        "position": pl.String(),
    }
)
"""One row per meter and metered event; `position` orders events of the same time."""


def of_values(source: Source, meters: Sequence[MeterDefinition], spans: Spans) -> pl.DataFrame:
    """`ANSWER` of the windows, quantities as ratios, for meters whose aggregation reads values."""
    # Asked for the latest of its values, a group of one event tells the value of that event.
    asked = [replace(meter, aggregation="latest", per=None, percentile=None) for meter in meters]
    measured = source.measured(asked, spans)
    rows = total_windows(measured, asked, by_dimensions=source.by_dimensions)
    values = _values(source, measured, asked)
    held = [
        each
        for each, meter in zip(asked, meters, strict=True)
        if "latest" in AGGREGATIONS[meter.aggregation].columns
    ]
    carried = _carried(source, held, spans, values)
    parts = [pl.DataFrame(schema=ANSWER)]
    for meter in meters:
        mine = values.filter(pl.col("meter_id") == str(meter.id))
        before = carried.filter(pl.col("meter_id") == str(meter.id))
        found = _worked_out(meter, mine, before, spans)
        of_meter = rows.filter(pl.col("meter_id") == str(meter.id))
        both = found.join(of_meter, on=("window", *_GROUP), how="full", coalesce=True)
        parts.append(
            as_answer(
                both,
                quantity=pl.lit(None),
                numerator=pl.col("numerator").fill_null("0"),
                denominator=pl.col("denominator").fill_null("1"),
                event_count=pl.col("event_count").fill_null(0),
                unmeterable_count=pl.col("unmeterable_count").fill_null(0),
            )
        )
    return pl.concat(parts)


def _values(
    source: Source, measured: pl.DataFrame, asked: Sequence[MeterDefinition]
) -> pl.DataFrame:
    single = total(measured, compile_all(asked), ("window", *_PLACE))
    return single.filter(pl.col("event_count") > 0).select(
        "window",
        "meter_id",
        "subject",
        pl.col("dimensions") if source.by_dimensions else pl.lit("").alias("dimensions"),
        value="latest",
        time="latest_time",
        position="latest_position",
    )


def _carried(
    source: Source, held: Sequence[MeterDefinition], spans: Spans, values: pl.DataFrame
) -> pl.DataFrame:
    """`_VALUES`: the latest value before each window, of meters that carry one."""
    gaps = list(_gaps(spans.windows))
    if not held:
        return pl.DataFrame(schema=_VALUES)
    latest = source.rows(held, Spans.of(gaps)).filter(pl.col("latest").is_not_null())
    points = latest.select(
        "window", *_GROUP, value="latest", time="latest_time", position="latest_position"
    )
    points = pl.concat([points, values.filter(pl.col("meter_id").is_in([str(m.id) for m in held]))])
    points = (
        points.drop("window").sort("time", "position").unique((*_GROUP, "time"), keep="last")
    ).sort("time")
    starts = pl.DataFrame(
        [(number, window.start - _MICROSECOND) for number, window in enumerate(spans.windows)],
        schema={"window": pl.UInt32, "before": _VALUES["time"]},
        orient="row",
    )
    asked = starts.join(points.select(_GROUP).unique(), how="cross").sort("before")
    found = asked.join_asof(
        points, left_on="before", right_on="time", by=list(_GROUP), check_sortedness=False
    )
    return found.filter(pl.col("value").is_not_null()).select(_VALUES.names())


def _gaps(windows: Sequence[Period]) -> Iterator[Period]:
    """The time before the first window, and between windows."""
    if windows[0].start > _EPOCH:
        yield Period(_EPOCH, windows[0].start)
    for one, after in pairwise(windows):
        if one.end < after.start:
            yield Period(one.end, after.start)


def _worked_out(
    meter: MeterDefinition, values: pl.DataFrame, carried: pl.DataFrame, spans: Spans
) -> pl.DataFrame:
    """window, meter_id, subject, dimensions, numerator, denominator: window by window."""
    work = AGGREGATIONS[meter.aggregation].of_values
    assert work is not None
    parameter = str(meter.per or meter.percentile)
    parts = [
        pl.DataFrame(
            schema={name: ANSWER[name] for name in ("window", *_GROUP, "numerator", "denominator")}
        )
    ]
    of_window = values.partition_by("window", as_dict=True)
    before = carried.partition_by("window", as_dict=True)
    for number in sorted({*of_window, *before}):
        window = spans.windows[int(str(number[0]))]
        found = work(
            of_window.get(number, values.clear()),
            before.get(number, carried.clear()),
            _OF_METER,
            window,
            parameter,
        )
        parts.append(
            found.select(
                pl.lit(number[0], pl.UInt32).alias("window"),
                pl.lit(str(meter.id)).alias("meter_id"),
                *_OF_METER,
                "numerator",
                "denominator",
            )
        )
    return pl.concat(parts)
