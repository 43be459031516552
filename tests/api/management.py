"""The management API of a tenant, as a client with a key meets it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn

from api.management import ManagementSettings
from api.management_app import create_management_app
from core.clock import Clock, SystemClock
from core.endpoints import Endpoints
from core.ids import TenantId
from db.postgres import Database
from identity.api_keys import METERS_READ, METERS_WRITE, insert_api_key
from identity.tenants import ensure_tenant
from identity.tokens import TokenIssuer

NOWHERE = Endpoints("127.0.0.1:9", "http://u:p@127.0.0.1:9/none", "postgresql://n@127.0.0.1:9/n")


@dataclass(frozen=True)
class Party:
    """A tenant, and its keys by what they may do."""

    tenant_id: TenantId
    writer: dict[str, str]
    reader: dict[str, str]
    sender: dict[str, str]


def add_party(database_url: str, slug: str) -> Party:
    """A tenant with three keys; each is the headers of a request."""
    clock = SystemClock()
    with Database(database_url) as db, db.transaction() as conn:
        tenant, _ = ensure_tenant(conn, clock, slug, slug.title())
        texts = [
            insert_api_key(conn, clock, tenant.id, "test", scopes)
            for scopes in ((METERS_READ, METERS_WRITE), (METERS_READ,), ("events:write",))
        ]
    return Party(tenant.id, *({"Authorization": f"Bearer {text}"} for text in texts))


@contextmanager
def management(
    postgres: str,
    folder: Path,
    clickhouse: str | None = None,
    clock: Clock | None = None,
    tokens: TokenIssuer | None = None,
) -> Iterator[httpx.Client]:
    """The application on a database, served on a port of its own."""
    endpoints = Endpoints(NOWHERE.kafka, clickhouse or NOWHERE.clickhouse, postgres)
    settings = ManagementSettings(endpoints, folder / "catalog.json", tokens=tokens)
    app = create_management_app(settings, clock)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        with httpx.Client(base_url=url, timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
