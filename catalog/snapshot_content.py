"""What a catalog snapshot says: meters, and whose API keys are live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from catalog.meters import MeterDefinition
from core.errors import InternalError
from core.ids import TenantId
from core.rate_limits import NO_LIMITS, RateLimits


@dataclass(frozen=True, slots=True)
class ApiKeyPrincipal:
    """Who a key stands for, what it may do, until when (for ever if None), and how fast.

    `tenant_limits` are shared by all keys of the tenant.
    """

    tenant_id: TenantId
    key_id: UUID
    scopes: frozenset[str]
    expires_at: datetime | None = None
    limits: RateLimits = NO_LIMITS
    tenant_limits: RateLimits = NO_LIMITS


@dataclass(frozen=True, slots=True)
class CatalogSnapshot:
    """Meters 1..`version` of all tenants in that order; keys that were not revoked, by hash.

    `key_hashes` finds the hash of a key by its id.
    """

    version: int
    meters: tuple[MeterDefinition, ...]
    api_keys: Mapping[str, ApiKeyPrincipal] = field(default_factory=dict)
    key_hashes: Mapping[UUID, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        versions = [meter.catalog_version for meter in self.meters]
        if versions != list(range(1, self.version + 1)):
            raise InternalError(
                f"catalog snapshot: its meters are not 1..{self.version} without a gap"
            )
        object.__setattr__(self, "api_keys", MappingProxyType(dict(self.api_keys)))
        hashes = {principal.key_id: found for found, principal in self.api_keys.items()}
        object.__setattr__(self, "key_hashes", MappingProxyType(hashes))
