"""Events in, one row per meter, subject, dimensions and hour out: the only aggregation kernel.

Events: tenant_id, type, subject String; time Datetime(us, UTC); data Binary; sign Int8 (+1: an
event, -1: a void, a copy of what it takes back); generation, partition UInt16, offset UInt64, row
UInt32: the log position. Rows: see `catalog.metering.rows`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from catalog.metering.aggregations import names_that_need
from catalog.metering.evaluate import LEFT_OUT
from catalog.metering.grouping import Codes, code, code_strings
from catalog.metering.json_paths import Ints
from catalog.metering.measuring import measure
from catalog.metering.merging import merge
from catalog.metering.plans import NO_PLAN, CompiledMeters, compile_meters
from catalog.metering.rows import KEY_COLUMNS, QUANTITY, USAGE_COLUMNS, USAGE_SCHEMA
from catalog.metering.totals import View, places_of

__all__ = [
    "NO_PLAN",
    "QUANTITY",
    "USAGE_COLUMNS",
    "USAGE_SCHEMA",
    "CompiledMeters",
    "aggregate",
    "compile_meters",
    "keep",
    "measure",
    "merge",
    "total",
]

_EVENT: Final = ("subject", "time", "sign", "generation", "partition", "offset", "row")
_MEASURED: Final = ("reason_", "high_", "low_", "text_", "taken_", "dimensions_")
_HOUR_MICROS: Final = 3_600_000_000


def keep(measured: pl.DataFrame, *more: str) -> pl.DataFrame:
    """The events that some meter reads, with the columns that `total` needs, and `more`."""
    values = [name for name in measured.columns if name.startswith(_MEASURED)]
    names = list(dict.fromkeys(("plan", *_EVENT, *more, *values)))
    return measured.filter(pl.col("plan") != NO_PLAN).select(names)


def total(measured: pl.DataFrame, compiled: CompiledMeters, by: Sequence[str] = ()) -> pl.DataFrame:
    """Total measured events by meter, subject, dimensions, UTC hour and the further columns `by`.

    Returns `USAGE_COLUMNS` and `by`, sorted, so equal in equals out. A group whose every event is
    unmeterable has a row, too: nothing disappears. A group of events that a meter's filter leaves
    out has none. Sums are exact for fewer than 10^11 events in a group.
    """
    known = measured.filter(pl.col("plan") != NO_PLAN)
    names = (*USAGE_COLUMNS, *by)
    if not len(known):
        schema = USAGE_SCHEMA | {name: measured.schema[name] for name in by}
        return pl.DataFrame(schema=schema).select(names)
    plan = known["plan"].to_numpy()
    others = [code(known[name]) for name in by]
    subject, hour = (
        code_strings(known["subject"]),
        code(known["time"].to_physical() // _HOUR_MICROS),
    )
    meters = compiled.meters.with_row_index("place")
    places = (
        places_of(known) if meters["aggregation"].is_in(names_that_need("latest")).any() else None
    )
    outer = _outer(others)
    # Only several views or event types of one meter leave something to sort or to merge.
    mixed = meters["view"].n_unique() > 1 or (meters["types"] > 1).any()
    parts = []
    for (view,), mine in meters.group_by("view", maintain_order=True):
        number = int(str(view))
        rows = _rows_of_view(known, number, plan, mine["plan"].to_numpy())
        dimensions = [code_strings(known[f"dimensions_{number}"])] if number else []
        groups = View(known, number, plan, [*others, subject, *dimensions, hour], rows)
        found = groups.rows(mine, places, outer)
        events = known.select(
            "subject",
            pl.col("time").dt.truncate("1h").alias("hour"),
            (pl.col(f"dimensions_{number}") if number else pl.lit("")).alias("dimensions"),
            *by,
        )
        labels = mine.select("tenant_id", "meter_id", *(("place", "types") if mixed else ()))
        part = pl.concat([labels[found["meter"]], events[found["first"]], found], how="horizontal")
        parts.append(part)
    return _ordered(parts, compiled, by).select(names)


def aggregate(events: pl.DataFrame, compiled: CompiledMeters) -> pl.DataFrame:
    """Accepted events to usage rows in one step: `total` of `measure`."""
    return total(measure(events, compiled), compiled)


def _rows_of_view(known: pl.DataFrame, view: int, plan: Ints, plans: Ints) -> Ints:
    """The events that a view of some plan takes."""
    if view:
        return np.flatnonzero(known[f"taken_{view}"].to_numpy() != LEFT_OUT)
    has_meter = np.zeros(int(plan.max()) + 1, np.bool_)
    has_meter[plans[plans < len(has_meter)]] = True
    return np.flatnonzero(has_meter[plan])


def _outer(columns: Sequence[Codes]) -> Ints | None:
    """One code for the columns that the rows are sorted by first; None where all are equal."""
    whole = None
    for column in columns:
        if column.many > 1:
            word = column.codes if whole is None else whole * column.many + column.codes
            whole = np.unique(word, return_inverse=True)[1].astype(np.int64)
    return whole


def _ordered(
    parts: Sequence[pl.DataFrame], compiled: CompiledMeters, by: Sequence[str]
) -> pl.DataFrame:
    """Put together the sorted rows of views; merge those of meters of several event types."""
    rows = pl.concat(parts)
    if "types" not in rows.columns:
        return rows
    many = rows["types"] > 1
    if many.any():
        merged = merge(rows.filter(many).select(*USAGE_COLUMNS, *by), compiled, by)
        rest = rows.filter(~many).select(merged.columns)
        return pl.concat([rest, merged]).sort(*by, *KEY_COLUMNS)
    return rows.sort(*by, "place", maintain_order=True)
