"""What a catalog snapshot says: meters, and whose API keys are live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from uuid import UUID

from catalog.meters import MeterDefinition
from core.errors import InternalError
from core.ids import TenantId


@dataclass(frozen=True, slots=True)
class ApiKeyPrincipal:
    """Who a key stands for, and what it may do."""

    tenant_id: TenantId
    key_id: UUID
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class CatalogSnapshot:
    """Meters 1..`version` of all tenants in that order, and every live key by its hash."""

    version: int
    meters: tuple[MeterDefinition, ...]
    api_keys: Mapping[str, ApiKeyPrincipal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        versions = [meter.catalog_version for meter in self.meters]
        if versions != list(range(1, self.version + 1)):
            raise InternalError(
                f"catalog snapshot: its meters are not 1..{self.version} without a gap"
            )
        object.__setattr__(self, "api_keys", MappingProxyType(dict(self.api_keys)))
