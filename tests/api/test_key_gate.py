from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from fastapi import Request

from api.key_gate import KeyGate
from catalog.snapshot import SnapshotSource
from core.clock import SystemClock
from core.endpoints import Endpoints
from core.errors import AuthenticationError, AuthorizationError, DependencyDownError
from db.postgres import Database
from identity.api_keys import EVENTS_WRITE, insert_api_key, revoke_api_key
from identity.tenants import ensure_tenant

_NOWHERE = "postgresql://nobody@127.0.0.1:9/nothing"


def _request(authorization: str) -> Request:
    headers = [(b"authorization", authorization.encode())]
    return Request({"type": "http", "headers": headers})


def _run(postgres: str, cache: Path, work: Callable[[KeyGate], Awaitable[None]]) -> None:
    async def main() -> None:
        gate = KeyGate(SnapshotSource(postgres, cache), refresh_seconds=0.1)
        await gate.start()
        try:
            await work(gate)
        finally:
            await gate.stop()

    asyncio.run(main())


def test_a_key_is_known_by_its_hash_until_it_is_revoked(
    installation: Endpoints, tmp_path: Path
) -> None:
    clock, db = SystemClock(), Database(installation.postgres)
    with db.transaction() as conn:
        tenant, _ = ensure_tenant(conn, clock, "acme", "Acme")
        key = insert_api_key(conn, clock, tenant.id, "test")

    async def work(gate: KeyGate) -> None:
        principal = gate.principal_of(_request(f"bearer  {key}"), EVENTS_WRITE)
        assert principal.tenant_id == tenant.id
        with pytest.raises(AuthorizationError, match="lacks the scope invoices:write"):
            gate.principal_of(_request(f"Bearer {key}"), "invoices:write")
        await asyncio.to_thread(revoke_api_key, db, clock, tenant.id, principal.key_id)
        for _ in range(50):
            await asyncio.sleep(0.1)
            try:
                gate.principal_of(_request(f"Bearer {key}"), EVENTS_WRITE)
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
        principal = gate.principal_of(_request(f"Bearer {key}"), EVENTS_WRITE)
        assert principal.tenant_id == tenant.id

    _run(installation.postgres, tmp_path / "catalog.json", work)
    _run(_NOWHERE, tmp_path / "catalog.json", work)


def test_without_any_snapshot_nobody_is_judged(tmp_path: Path) -> None:
    async def work(gate: KeyGate) -> None:
        assert gate.fault is not None
        with pytest.raises(DependencyDownError, match="cannot be checked"):
            gate.principal_of(_request("Bearer tb_live_x_y"), EVENTS_WRITE)
        with pytest.raises(AuthenticationError, match="expected `Bearer"):
            gate.principal_of(_request("Basic x"), EVENTS_WRITE)

    _run(_NOWHERE, tmp_path / "catalog.json", work)
