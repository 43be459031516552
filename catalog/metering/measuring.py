"""Events to measured events: the columns that the totals are made of."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa

from catalog.metering.decimals import MISSING
from catalog.metering.evaluate import Measured, evaluate
from catalog.metering.filtering import Desk
from catalog.metering.json_paths import Ints, room_for
from catalog.metering.plans import NO_PLAN, CompiledMeters
from catalog.metering.programs import STACK_MAX
from core.json_text import Bytes

_QUOTES: Final = 8
"""Bytes that a dimension may need beside its own: quotes and a comma, or `null` and a comma."""


def measure(events: pl.DataFrame, compiled: CompiledMeters) -> pl.DataFrame:
    """Read what the meters need of every event, in order.

    Returns `events` with `is_object` (Boolean: `data` is one JSON object) and columns that are for
    `keep` and `total` alone: `plan`; for each value k `reason_k`, `high_k`, `low_k`; for each text
    k `text_reason_k`, `text_k`; for each view k but 0 `taken_k`, `dimensions_k`. Frames measured
    under one catalog may be filtered and concatenated.
    """
    plan = events.select("tenant_id", "type").join(
        compiled.plans, on=["tenant_id", "type"], how="left", maintain_order="left"
    )["plan"]
    plan = plan.fill_null(NO_PLAN)
    text, offsets = text_buffers(events["data"])
    found = read(text, offsets, plan.to_numpy(), compiled)
    return events.with_columns(
        plan, pl.Series("is_object", found.valid.view(np.bool_)), *_columns(found)
    )


def read(text: Bytes, offsets: Ints, plan_of_row: Ints, compiled: CompiledMeters) -> Measured:
    """Run the kernel over texts; see `evaluate`."""
    rows, bytes_ = len(plan_of_row), int(offsets[-1] - offsets[0])
    values, texts, views = compiled.values_max, compiled.texts_max, compiled.views_max
    dimensions = int(np.diff(compiled.programs.dimension_ends).max(initial=0))
    out = Measured(
        valid=np.zeros(rows, np.uint8),
        reason=np.full((values, rows), MISSING, np.uint8),
        high=np.zeros((values, rows), np.int64),
        low=np.zeros((values, rows), np.uint64),
        text_reason=np.full((texts, rows), MISSING, np.uint8),
        text_ends=np.zeros((texts, rows + 1), np.int64),
        text_bytes=np.empty((texts, bytes_), np.uint8),
        taken=np.zeros((views, rows), np.uint8),
        dimension_ends=np.zeros((views, rows + 1), np.int64),
        dimension_bytes=np.empty((views, bytes_ + rows * (2 + _QUOTES * dimensions)), np.uint8),
    )
    found = room_for(compiled.slots_max, int(np.diff(offsets).max(initial=0)))
    desk = Desk(
        np.zeros((max(1, compiled.slots_max), 4), np.int64),
        np.zeros((STACK_MAX, 4), np.int64),
        np.zeros(STACK_MAX, np.uint8),
    )
    evaluate(text, offsets, plan_of_row, compiled.paths, compiled.programs, found, desk, out)
    return out


def text_buffers(column: pl.Series) -> tuple[Bytes, Ints]:
    """A Binary or String column as one read-only byte buffer and n + 1 offsets into it."""
    kind = pa.large_string() if column.dtype == pl.String else pa.large_binary()
    array = column.rechunk().to_arrow().cast(kind)
    _, ends, text = array.buffers()
    first, last = array.offset, array.offset + len(array) + 1
    offsets = (
        np.frombuffer(memoryview(ends), np.int64)[first:last] if ends else np.zeros(1, np.int64)
    )
    found = np.frombuffer(memoryview(text) if text else b"", np.uint8)
    found.flags.writeable = False
    return found, offsets


def strings(text: Bytes, ends: Ints) -> pl.Series:
    """A String column from its bytes and offsets."""
    buffers = [None, pa.py_buffer(ends.data), pa.py_buffer(text[: ends[-1]].data)]
    return pl.Series(pa.Array.from_buffers(pa.large_string(), len(ends) - 1, buffers))


def _columns(found: Measured) -> list[pl.Series]:
    columns = []
    for k, reason in enumerate(found.reason):
        columns += [
            pl.Series(f"reason_{k}", reason),
            pl.Series(f"high_{k}", found.high[k]),
            pl.Series(f"low_{k}", found.low[k]),
        ]
    for k, reason in enumerate(found.text_reason):
        columns += [
            pl.Series(f"text_reason_{k}", reason),
            strings(found.text_bytes[k], found.text_ends[k]).alias(f"text_{k}"),
        ]
    for k, taken in enumerate(found.taken, start=1):
        columns += [
            pl.Series(f"taken_{k}", taken),
            strings(found.dimension_bytes[k - 1], found.dimension_ends[k - 1]).alias(
                f"dimensions_{k}"
            ),
        ]
    return columns
