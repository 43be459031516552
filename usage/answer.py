"""From merged rows to quantities: one exact number per window, meter and subject.

An aggregation that has nothing to tell, for want of any event that it could read, is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from catalog.meter_definition import MeterDefinition
from catalog.metering.aggregations import AGGREGATIONS
from catalog.metering.aggregations.base import NET_EVENTS
from usage.gather import Source
from usage.quantities import ANSWER, as_answer, convert
from usage.single_values import of_values
from usage.spans import Spans

__all__ = ["ANSWER", "answer"]

_SOMETHING: Final = (
    (pl.col("event_count") != 0) | (pl.col("unmeterable_count") != 0) | (pl.col("numerator") != "0")
)
"""What is left where every event was taken back is no usage."""


def answer(source: Source, meters: Sequence[MeterDefinition], spans: Spans) -> pl.DataFrame:
    """`ANSWER` of the windows, in no order; no row where no event is left and no level held."""
    parts = [pl.DataFrame(schema=ANSWER)]
    merging = [meter for meter in meters if AGGREGATIONS[meter.aggregation].of_row is not None]
    if merging:
        rows = source.rows(merging, spans)
        for aggregation in sorted({meter.aggregation for meter in merging}):
            ids = [str(meter.id) for meter in merging if meter.aggregation == aggregation]
            parts.append(_of_rows(rows.filter(pl.col("meter_id").is_in(ids)), aggregation))
    others = [meter for meter in meters if AGGREGATIONS[meter.aggregation].of_row is None]
    if others:
        parts.append(of_values(source, others, spans))
    return convert(pl.concat(parts).filter(_SOMETHING), meters)


def answer_of_rows(rows: pl.DataFrame, meter: MeterDefinition) -> pl.DataFrame:
    """`ANSWER` of merged rows of one meter, whose aggregation merges, however they are grouped."""
    return convert(_of_rows(rows, meter.aggregation).filter(_SOMETHING), [meter])


def _of_rows(rows: pl.DataFrame, aggregation: str) -> pl.DataFrame:
    """Quantities of merged rows of one aggregation's meters."""
    of_row = AGGREGATIONS[aggregation].of_row
    assert of_row is not None
    told = rows.with_columns(
        of_row.numerator.fill_null("0").alias("numerator"),
        of_row.denominator.alias("denominator"),
        NET_EVENTS.alias("event_count"),
    )
    whole = pl.when(pl.col("denominator") == "1").then(pl.col("numerator"))
    return as_answer(told, quantity=whole.cast(ANSWER["quantity"]))
