"""The meters that runs of an older catalog lack, compiled for the kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.metering.aggregate import CompiledMeters, compile_meters
from catalog.meters import MeterDefinition


@dataclass(frozen=True, slots=True)
class Missing:
    """Meters of the catalog versions after `known`, up to `compiled.version`."""

    compiled: CompiledMeters
    meter_ids: set[str]
    tenants: set[str]
    types: set[str]


def missing_meters(meters: Sequence[MeterDefinition], known: int, version: int) -> Missing:
    """What a run with the catalog `known` lacks of the catalog `version`."""
    found = [meter for meter in meters if known < meter.catalog_version <= version]
    return Missing(
        compile_meters(found, version),
        {str(meter.id) for meter in found},
        {str(meter.tenant_id) for meter in found},
        {kind for meter in found for kind in meter.event_types},
    )
