"""What a step runs, compiled or loaded before the first partition is taken.

Compiling for the first time after an upgrade takes many seconds. Inside the first step it would
hold up the heartbeats of the group, and whoever lost patience and killed the worker would blame the
records of that step.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import polars as pl

from catalog.meter_definition import Aggregation, MeterDefinition
from catalog.metering.aggregate import CompiledMeters, compile_meters
from catalog.metering.filters import filter_of
from core.clock import monotonic_seconds
from core.envelope import ENVELOPE_SCHEMA, encode_envelope
from core.ids import MeterId, TenantId
from streams.generation import Generation
from streams.index import DedupeIndex
from streams.lane import Lane
from streams.records import Record
from streams.voids import TARGET_SCHEMA

_LOG = logging.getLogger(__name__)
_TENANT: Final = UUID(int=1)
_AT: Final = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=1)
_NOW_MS: Final = 1_000
_CHUNKS: Final = 2
_SLOW_SECONDS: Final = 3.0
_KINDS: Final[dict[Aggregation, str | None]] = {
    "count": None,
    "sum": "ceil(a * 2)",
    "max": "a",
    "latest": "a",
    "unique_count": "b",
}


def warm_up() -> int:
    """Step an imaginary lane through chunks of one event; returns how many it accepted."""
    began = monotonic_seconds()
    generation = Generation(1, "", "", 1, 1, 1)
    lane = Lane(generation, 0, 0, 0, DedupeIndex(1), _meters(), _no_targets)
    accepted = 0
    for offset in range(_CHUNKS):  # the second one is a copy
        for flush in lane.step([Record(offset, _NOW_MS, _envelope())], _meters()):
            accepted += len(flush.events)
    lane.close()
    seconds = monotonic_seconds() - began
    if seconds > _SLOW_SECONDS:
        _LOG.info("compiled the kernels in %.1f s; the next start only loads them", seconds)
    return accepted


def _meters() -> CompiledMeters:
    """Meters that need every kernel there is."""
    return compile_meters(
        [
            MeterDefinition(
                id=MeterId(UUID(int=number)), tenant_id=TenantId(_TENANT), slug=f"warm-{number}",
                name="warm", event_types=("x",), aggregation=aggregation, value=value,
                catalog_version=number, filter=filter_of({"path": "b", "exists": True}),
                dimensions=(("b", "b"),),
            )
            for number, (aggregation, value) in enumerate(_KINDS.items(), 1)
        ],
        len(_KINDS),
    )  # fmt: skip


def _no_targets(_keys: pl.Series, _before: int) -> pl.DataFrame:
    return pl.DataFrame(schema=TARGET_SCHEMA)


def _envelope() -> bytes:
    """By way of Polars: Arrow's own way from Python objects would import pandas to look at them."""
    row = pl.DataFrame(
        {
            "tenant_id": [str(_TENANT)], "key": [bytes(16)],
            "content_hash": pl.Series([0], dtype=pl.UInt64), "id": ["1"], "source": ["s"],
            "type": ["x"], "subject": ["s"], "time": [_AT], "received_at": [_AT],
            "data": [b'{"a":"1.5","b":"c"}'],
        }
    )  # fmt: skip
    return encode_envelope(row.to_arrow().cast(ENVELOPE_SCHEMA).to_batches()[0])
