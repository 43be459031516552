"""A meter as it is kept and shown: its definition with its free labels."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catalog.meter_definition import MeterDefinition
from core.ids import format_id


@dataclass(frozen=True, slots=True)
class StoredMeter:
    """A meter, its free labels, and when it was created."""

    definition: MeterDefinition
    metadata: dict[str, str]
    created_at: datetime

    def as_resource(self) -> dict[str, Any]:
        """The form that API and CLI show; the definition's words stand among the labels."""
        meter = self.definition
        at = meter.archived_at
        return {
            "id": format_id("mtr", meter.id),
            "slug": meter.slug,
            "name": meter.name,
            "unit": meter.unit,
            **meter.as_document(),
            "catalog_version": meter.catalog_version,
            "archived_at": None if at is None else at.isoformat(),
            "created_at": self.created_at.isoformat(),
            "metadata": self.metadata,
        }
