"""Builders of meters for tests of the kernel."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from catalog.meters import Aggregation, MeterDefinition
from core.ids import MeterId, TenantId

TENANT = TenantId(UUID(int=1))


def meter(
    number: int, aggregation: Aggregation, value: str | None = None, **words: Any
) -> MeterDefinition:
    facts: dict[str, Any] = {"tenant_id": TENANT, "event_types": ("call",)} | words
    return MeterDefinition(
        id=MeterId(UUID(int=1000 + number)),
        slug=f"meter-{number}",
        name=f"Meter {number}",
        aggregation=aggregation,
        value=value,
        catalog_version=number,
        **facts,
    )
