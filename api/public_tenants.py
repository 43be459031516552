"""Tenants by the names that outsiders know them by: slugs and ids, remembered for a while."""

from __future__ import annotations

from threading import Lock
from typing import Final

from core.clock import monotonic_seconds
from core.ids import TenantId
from db.postgres import Database
from identity.tenants import find_tenant

_KNOWN_SECONDS: Final = 60.0
"""How long a name is believed to stand for the same tenant."""

_KNOWN_MAX: Final = 10_000


class PublicTenants:
    """Looks tenants up through `snapshot`, a database that may read those of all."""

    def __init__(self, snapshot: Database) -> None:
        self._snapshot = snapshot
        self._lock = Lock()
        self._known: dict[str, tuple[TenantId, float]] = {}

    def find(self, name: str) -> TenantId:
        """The tenant with this slug or id (`ten_…`). Raises `NotFoundError`."""
        now = monotonic_seconds()
        known = self._known.get(name)
        if known is not None and now < known[1]:
            return known[0]
        with self._snapshot.transaction() as conn:
            tenant_id = find_tenant(conn, name).id
        with self._lock:
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()
            self._known[name] = (tenant_id, now + _KNOWN_SECONDS)
        return tenant_id
