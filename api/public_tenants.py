"""Tenants by the names that outsiders know them by: slugs and ids, remembered for a while."""

from __future__ import annotations

from threading import Lock
from typing import Final

from core.clock import monotonic_seconds
from core.errors import NotFoundError
from core.ids import TenantId
from db.postgres import Database
from identity.tenants import find_tenant

_KNOWN_SECONDS: Final = 60.0
"""How long a name is believed to stand for the same tenant."""

_UNKNOWN_SECONDS: Final = 2.0
"""How long a name is believed to stand for nobody."""

_KNOWN_MAX: Final = 10_000


class PublicTenants:
    """Looks tenants up through `snapshot`, a database that may read those of all."""

    def __init__(self, snapshot: Database) -> None:
        self._snapshot = snapshot
        self._lock = Lock()
        self._known: dict[str, tuple[TenantId | None, float]] = {}

    def find(self, name: str) -> TenantId:
        """The tenant with this slug or id (`ten_…`). Raises `NotFoundError`."""
        now = monotonic_seconds()
        known = self._known.get(name)
        if known is None or now >= known[1]:
            known = self._look_up(name, now)
            with self._lock:
                if len(self._known) >= _KNOWN_MAX:
                    self._known.clear()
                self._known[name] = known
        if known[0] is None:
            raise NotFoundError(f"tenant: there is none called {name[:64]!r}")
        return known[0]

    def _look_up(self, name: str, now: float) -> tuple[TenantId | None, float]:
        """Who it is, None for nobody, and until when that is believed."""
        try:
            with self._snapshot.transaction() as conn:
                return find_tenant(conn, name).id, now + _KNOWN_SECONDS
        except NotFoundError:
            return None, now + _UNKNOWN_SECONDS
