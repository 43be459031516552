from __future__ import annotations

import asyncio
import threading
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import cast
from uuid import UUID

import pytest

from api.key_gate import KeyGate
from catalog.snapshot import SnapshotSource
from catalog.snapshot_content import ApiKeyPrincipal, CatalogSnapshot
from core.clock import Clock, ManualClock, SystemClock
from core.endpoints import Endpoints
from core.errors import AuthenticationError, AuthorizationError, DependencyDownError
from core.ids import TenantId
from db.postgres import Database
from identity.api_keys import (
    EVENTS_WRITE,
    hash_api_key,
    insert_api_key,
    list_api_keys,
    revoke_api_key,
    rotate_api_key,
)
from identity.tenants import ensure_tenant
from tests.plugins.database import do

_SYSTEM = SystemClock()
_PRINCIPAL = ApiKeyPrincipal(TenantId(UUID(int=9)), UUID(int=1), frozenset({EVENTS_WRITE}))
_NOWHERE = "postgresql://nobody@127.0.0.1:9/nothing"


def _run(
    postgres: str,
    cache: Path,
    work: Callable[[KeyGate], Awaitable[None]],
    clock: Clock = _SYSTEM,
) -> None:
    async def main() -> None:
        gate = KeyGate(SnapshotSource(postgres, cache), 0.1, clock)
        await gate.start()
        try:
            await work(gate)
        finally:
            await gate.stop()

    asyncio.run(main())


@pytest.mark.req("SEC-04")
def test_a_key_is_known_by_its_hash_until_it_is_revoked(
    installation: Endpoints, tmp_path: Path
) -> None:
    clock, db = SystemClock(), Database(installation.postgres)
    with db.transaction() as conn:
        tenant, _ = ensure_tenant(conn, clock, "acme", "Acme")
        key = insert_api_key(conn, clock, tenant.id, "test")

    async def work(gate: KeyGate) -> None:
        principal = gate.principal_of(f"bearer  {key}", EVENTS_WRITE)
        assert principal.tenant_id == tenant.id
        with pytest.raises(AuthorizationError, match="lacks the scope invoices:write"):
            gate.principal_of(f"Bearer {key}", "invoices:write")
        await asyncio.to_thread(do, db, revoke_api_key, clock, tenant.id, principal.key_id)
        for _ in range(50):
            await asyncio.sleep(0.1)
            try:
                gate.principal_of(f"Bearer {key}", EVENTS_WRITE)
            except AuthenticationError:
                return
        raise AssertionError("a revoked key still worked after 5 seconds")

    _run(installation.postgres, tmp_path / "catalog.json", work)
    db.close()


def test_keys_are_known_from_disk_while_postgres_is_away(
    installation: Endpoints, tmp_path: Path
) -> None:
    clock, db = SystemClock(), Database(installation.postgres)
    with db.transaction() as conn:
        tenant, _ = ensure_tenant(conn, clock, "acme", "Acme")
        key = insert_api_key(conn, clock, tenant.id, "test")
    db.close()

    async def work(gate: KeyGate) -> None:
        assert gate.fault is None
        principal = gate.principal_of(f"Bearer {key}", EVENTS_WRITE)
        assert principal.tenant_id == tenant.id

    _run(installation.postgres, tmp_path / "catalog.json", work)
    _run(_NOWHERE, tmp_path / "catalog.json", work)


def test_without_any_snapshot_nobody_is_judged(tmp_path: Path) -> None:
    async def work(gate: KeyGate) -> None:
        assert gate.fault is not None
        with pytest.raises(DependencyDownError, match="cannot be checked"):
            gate.principal_of("Bearer tb_live_x_y", EVENTS_WRITE)
        with pytest.raises(AuthenticationError, match="expected `Bearer"):
            gate.principal_of("Basic x", EVENTS_WRITE)

    _run(_NOWHERE, tmp_path / "catalog.json", work)


@pytest.mark.req("SEC-04")
def test_a_replaced_key_works_until_its_instant_and_not_after(
    installation: Endpoints, tmp_path: Path
) -> None:
    system, db = SystemClock(), Database(installation.postgres)
    with db.transaction() as conn:
        tenant, _ = ensure_tenant(conn, system, "acme", "Acme")
        old = insert_api_key(conn, system, tenant.id, "test")
        old_id = list_api_keys(conn, tenant.id)[0].id
    clock = ManualClock(system.now())
    _, new = do(db, rotate_api_key, clock, tenant.id, old_id, clock.now() + timedelta(hours=1))
    db.close()

    async def work(gate: KeyGate) -> None:
        for _ in range(2):
            assert gate.principal_of(f"Bearer {old}", EVENTS_WRITE).key_id == old_id
            assert gate.principal_of(f"Bearer {new}", EVENTS_WRITE).key_id != old_id
            clock.advance(timedelta(minutes=30) - timedelta(microseconds=1))
        clock.advance(timedelta(microseconds=2))
        with pytest.raises(AuthenticationError, match="was replaced, and has expired"):
            gate.principal_of(f"Bearer {old}", EVENTS_WRITE)
        gate.principal_of(f"Bearer {new}", EVENTS_WRITE)

    _run(installation.postgres, tmp_path / "catalog.json", work, clock)
    # Known from disk alone, it is refused just the same.
    _run(_NOWHERE, tmp_path / "catalog.json", partial(_is_expired, old), clock)


async def _is_expired(key: str, gate: KeyGate) -> None:
    with pytest.raises(AuthenticationError, match="was replaced, and has expired"):
        gate.principal_of(f"Bearer {key}", EVENTS_WRITE)


class _Source:
    """A snapshot that a test replaces."""

    def __init__(self, *keys: str) -> None:
        known = {hash_api_key(key): _PRINCIPAL for key in keys}
        self.now = CatalogSnapshot(version=0, meters=(), api_keys=known)

    def revoke_all(self) -> None:
        self.now = replace(self.now, api_keys={})

    def refresh(self) -> CatalogSnapshot:
        return self.now

    def close(self) -> None:
        """Nothing is held."""


def test_a_key_revoked_while_a_thread_asks_for_it_is_refused_from_then_on() -> None:
    async def main() -> None:
        source = _Source("tb_live_a_b")
        gate = KeyGate(cast("SnapshotSource", source), 0.02, _SYSTEM)
        await gate.start()
        found, goes_on, real = threading.Event(), threading.Event(), gate.principal_of_key

        def slowly(key: str, scope: str, header: str = "") -> ApiKeyPrincipal:
            principal = real(key, scope, header)
            found.set()
            assert goes_on.wait(60)
            return principal

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(gate, "principal_of_key", slowly)
            asking = asyncio.to_thread(gate.principal_of, "Bearer tb_live_a_b", EVENTS_WRITE)
            asked = asyncio.create_task(asking)
            await asyncio.to_thread(found.wait, 60)
        source.revoke_all()
        await asyncio.wait_for(_refused(gate), 60)
        goes_on.set()
        await asked
        with pytest.raises(AuthenticationError):
            gate.principal_of("Bearer tb_live_a_b", EVENTS_WRITE)
        await gate.stop()

    asyncio.run(main())


async def _refused(gate: KeyGate) -> None:
    while True:
        try:
            gate.principal_of_key("tb_live_a_b", EVENTS_WRITE)
        except AuthenticationError:
            return
        await asyncio.sleep(0.01)


def test_long_headers_are_not_kept() -> None:
    async def main() -> None:
        source = _Source("tb_live_a_b")
        gate = KeyGate(cast("SnapshotSource", source), 60, _SYSTEM)
        await gate.start()
        tracemalloc.start()
        for number in range(1_000):
            header = "Bearer" + " " * (30_000 + number) + "tb_live_a_b"
            assert gate.principal_of(header, EVENTS_WRITE) is _PRINCIPAL
        kept_bytes, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert kept_bytes < 1_000_000
        await gate.stop()

    asyncio.run(main())
