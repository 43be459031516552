"""The meters of one catalog version, laid out for the kernel.

A *plan* is what the meters of one (tenant, event type) need: paths to read, values and texts to
take from them, and *views*. A view is a filter with dimensions; meters that have both in common
share its groups. View 0 of every plan has neither.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from catalog.meter_definition import MeterDefinition
from catalog.metering.aggregations import AGGREGATIONS
from catalog.metering.expressions import parse_expression, parse_path
from catalog.metering.json_paths import Paths
from catalog.metering.programs import Plan, Programs, compile_programs

NO_PLAN: Final = -1
NO_VALUE: Final = -1

_T = TypeVar("_T")
_METERS: Final = pl.Schema(
    {
        "plan": pl.Int64,
        "view": pl.Int64,
        "value": pl.Int64,
        "text": pl.Int64,
        "tenant_id": pl.String,
        "meter_id": pl.String,
        "aggregation": pl.String,
        "types": pl.Int64,
    }
)


@dataclass(frozen=True, slots=True)
class CompiledMeters:
    """What `measure` and `total` run on.

    plans: (tenant_id, type) -> plan Int64. meters: one row per meter and plan, sorted by tenant_id
    and meter_id: plan, view, value, text Int64 (value and text within the plan, -1: none),
    tenant_id, meter_id, aggregation String, types Int64 (how many plans the meter has).
    """

    version: int
    plans: pl.DataFrame
    meters: pl.DataFrame
    paths: Paths
    programs: Programs
    slots_max: int
    values_max: int
    texts_max: int
    views_max: int


def compile_meters(meters: Iterable[MeterDefinition], version: int) -> CompiledMeters:
    """Lay out the meters up to catalog version `version`; later ones are left out."""
    numbers: dict[tuple[str, str], int] = {}
    plans: list[Plan] = []
    rows: list[tuple[int, int, int, int, str, str, str, int]] = []
    for meter in sorted(meters, key=lambda meter: meter.catalog_version):
        if meter.catalog_version > version:
            continue
        tenant_id = str(meter.tenant_id)
        for event_type in meter.event_types:
            number = numbers.setdefault((tenant_id, event_type), len(numbers))
            if number == len(plans):
                plans.append(Plan())
            view, value, text = _place_meter(plans[number], meter)
            rows.append(
                (number, view, value, text, tenant_id, str(meter.id), meter.aggregation,
                 len(meter.event_types))
            )  # fmt: skip
    paths, programs = compile_programs(plans)
    return CompiledMeters(
        version,
        pl.DataFrame(
            [(tenant_id, kind, plan) for (tenant_id, kind), plan in numbers.items()],
            schema={"tenant_id": pl.String, "type": pl.String, "plan": pl.Int64},
            orient="row",
        ),
        pl.DataFrame(rows, _METERS, orient="row").sort("tenant_id", "meter_id", "plan"),
        paths,
        programs,
        _most(paths.plan_slots),
        _most(programs.plan_values),
        _most(programs.plan_texts),
        _most(programs.plan_views),
    )


def _place_meter(plan: Plan, meter: MeterDefinition) -> tuple[int, int, int]:
    """The meter's view, value and text in a plan, added where they are new."""
    view = _place(plan.views, (meter.filter, meter.dimensions))
    if meter.value is None:
        return view, NO_VALUE, NO_VALUE
    if AGGREGATIONS[meter.aggregation].reads == "text":
        return view, NO_VALUE, _place(plan.texts, parse_path(meter.value))
    return view, _place(plan.values, parse_expression(meter.value)), NO_VALUE


def _place(known: list[_T], thing: _T) -> int:
    """Where a thing stands in a list, added at its end if it is new."""
    if thing not in known:
        known.append(thing)
    return known.index(thing)


def _most(ends: npt.NDArray[np.int64]) -> int:
    return int(np.diff(ends).max(initial=0))
