"""Events in, one row per meter, subject and hour out: the only aggregation kernel there is.

Frames that cross it:

| events | dtype | | rows | dtype |
|---|---|---|---|---|
| tenant_id | String | | tenant_id, meter_id | String |
| type | String | | subject, dimensions | String |
| subject | String | | hour | Datetime(us, UTC), start of the hour |
| time | Datetime(us, UTC) | | event_count, unmeterable_count | UInt64 |
| data | Binary | | sum | Decimal(38, 12) |

`event_count` counts the events that the meter could read; the others of its type are in
`unmeterable_count`. A `count` meter reads every event of its type and has the sum 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from catalog.metering.json_paths import Extracted, Paths, extract
from catalog.metering.json_text import FOUND
from catalog.meters import MeterDefinition

QUANTITY: Final = pl.Decimal(38, 12)
USAGE_COLUMNS: Final = (
    "tenant_id", "meter_id", "subject", "dimensions", "hour",
    "event_count", "unmeterable_count", "sum",
)  # fmt: skip
COUNT_SLOT: Final = -1
NO_PLAN: Final = -1


@dataclass(frozen=True, slots=True)
class CompiledMeters:
    """The meters of one catalog version, laid out for the kernel.

    plans: (tenant_id, type) -> plan Int64. meters: plan, slot Int64 (-1: counts events), meter_id.
    """

    version: int
    plans: pl.DataFrame
    meters: pl.DataFrame
    paths: Paths


def compile_meters(meters: Iterable[MeterDefinition], version: int) -> CompiledMeters:
    """Lay out the meters up to catalog version `version`; later ones are left out."""
    plans: dict[tuple[str, str], int] = {}
    paths: list[list[tuple[str, ...]]] = []
    rows: list[tuple[int, int, str]] = []
    for meter in sorted(meters, key=lambda meter: meter.catalog_version):
        if meter.catalog_version > version:
            continue
        plan = plans.setdefault((str(meter.tenant_id), meter.event_type), len(plans))
        if plan == len(paths):
            paths.append([])
        slot = COUNT_SLOT
        if meter.value_path is not None:
            if meter.value_path not in paths[plan]:
                paths[plan].append(meter.value_path)
            slot = paths[plan].index(meter.value_path)
        rows.append((plan, slot, str(meter.id)))
    return CompiledMeters(
        version,
        pl.DataFrame(
            [(tenant_id, kind, plan) for (tenant_id, kind), plan in plans.items()],
            schema={"tenant_id": pl.String, "type": pl.String, "plan": pl.Int64},
            orient="row",
        ),
        pl.DataFrame(
            rows, schema={"plan": pl.Int64, "slot": pl.Int64, "meter_id": pl.String}, orient="row"
        ),
        Paths.compile(paths),
    )


def text_buffers(column: pl.Series) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """A Binary column as one byte buffer and n + 1 offsets into it, as `extract` reads it."""
    array = column.rechunk().to_arrow().cast(pa.large_binary())
    _, ends, text = array.buffers()
    first, last = array.offset, array.offset + len(array) + 1
    offsets = (
        np.frombuffer(memoryview(ends), np.int64)[first:last] if ends else np.zeros(1, np.int64)
    )
    return np.frombuffer(memoryview(text) if text else b"", np.uint8), offsets


def measure(events: pl.DataFrame, compiled: CompiledMeters) -> pl.DataFrame:
    """Read the values of every event, in order.

    Returns `events` with `plan` (Int64, -1: no meter), `is_object` (Boolean: `data` is one JSON
    object) and one Decimal(38, 12) column per slot (`value_0`, …), null where there is no value.
    """
    plan = events.select("tenant_id", "type").join(
        compiled.plans, on=["tenant_id", "type"], how="left", maintain_order="left"
    )["plan"]
    plan = plan.fill_null(NO_PLAN)
    text, offsets = text_buffers(events["data"])
    found = extract(text, offsets, plan.to_numpy(), compiled.paths)
    return events.with_columns(plan, pl.Series("is_object", found.valid), *_value_columns(found))


def _value_columns(found: Extracted) -> list[pl.Series]:
    columns = []
    for slot, (codes, limbs) in enumerate(zip(found.code, found.limbs, strict=True)):
        validity = pa.py_buffer(np.packbits(codes == FOUND, bitorder="little").data)
        array = pa.Array.from_buffers(
            pa.decimal128(38, 12), len(codes), [validity, pa.py_buffer(limbs.data)]
        )
        columns.append(pl.Series(f"value_{slot}", array, dtype=QUANTITY))
    return columns


def total(measured: pl.DataFrame, compiled: CompiledMeters, by: Sequence[str] = ()) -> pl.DataFrame:
    """Total measured events by meter, subject, UTC hour and the further columns `by`.

    Returns `USAGE_COLUMNS` and `by`, sorted, so equal in equals out. A group whose every event is
    unmeterable has a row, too: nothing disappears.
    """
    # The grouped sum of decimals wraps beyond 38 digits: values have at most 27, so it is exact for
    # fewer than 10^11 events a group, and no caller passes more than some chunks at a time.
    slots = range(compiled.paths.slots_max)
    groups = (
        measured.filter(pl.col("plan") != NO_PLAN)
        .with_columns(hour=pl.col("time").dt.truncate("1h"))
        .group_by("tenant_id", "plan", "subject", "hour", *by)
        .agg(
            pl.len().cast(pl.UInt64).alias("matched"),
            *(pl.col(f"value_{slot}").count().cast(pl.UInt64).alias(f"n_{slot}") for slot in slots),
            *(pl.col(f"value_{slot}").sum().alias(f"sum_{slot}") for slot in slots),
        )
    )
    parts = [
        _rows_of_slot(groups, compiled.meters.filter(pl.col("slot") == slot), slot, by)
        for slot in (COUNT_SLOT, *slots)
    ]
    return pl.concat(parts).sort(*by, "tenant_id", "meter_id", "subject", "dimensions", "hour")


def aggregate(events: pl.DataFrame, compiled: CompiledMeters) -> pl.DataFrame:
    """Accepted events to usage rows in one step: `total` of `measure`."""
    return total(measure(events, compiled), compiled)


def _rows_of_slot(
    groups: pl.DataFrame, meters: pl.DataFrame, slot: int, by: Sequence[str]
) -> pl.DataFrame:
    counted = pl.col("matched") if slot == COUNT_SLOT else pl.col(f"n_{slot}")
    summed = pl.lit(0) if slot == COUNT_SLOT else pl.col(f"sum_{slot}")
    return (
        groups.join(meters, on="plan", how="inner")
        .with_columns(
            dimensions=pl.lit(""),
            event_count=counted,
            unmeterable_count=pl.col("matched") - counted,
            sum=summed.cast(QUANTITY),
        )
        .select(*USAGE_COLUMNS, *by)
    )
