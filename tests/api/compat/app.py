"""The compatible routes in memory: a log that takes what it should, and keys without a database."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any
from uuid import UUID

import httpx
import pyarrow as pa
from fastapi import FastAPI

from api.compat.services import Services
from api.compat_app import add_compatible_routes
from api.key_gate import KeyGate
from api.openapi import describe
from api.usage_connection import UsageConnection
from catalog.snapshot import ApiKeyPrincipal, CatalogSnapshot
from core.clock import ManualClock
from core.ids import TenantId
from db.postgres import Database
from identity.api_keys import EVENTS_WRITE, METERS_READ, METERS_WRITE, hash_api_key
from ingest.intake import Intake
from ingest.limits.account import Defaults
from ingest.limits.limiter import Limiter, Sender
from ingest.limits.shared_slots import SharedSlots

TENANT = TenantId(UUID("0190aaaa-0190-7aaa-8aaa-0190aaaa0190"))
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEY, READER = "tb_live_1_writer", "tb_live_2_reader"
_NO_USAGE = "http://u:p@127.0.0.1:9/none"
_NOWHERE = "postgresql://nobody@127.0.0.1:9/nothing"


class _Source:
    """A catalog with two keys and no meters."""

    def __init__(self) -> None:
        self.snapshot = CatalogSnapshot(
            0,
            (),
            {
                hash_api_key(KEY): ApiKeyPrincipal(
                    TENANT, UUID(int=1), frozenset({EVENTS_WRITE, METERS_READ, METERS_WRITE})
                ),
                hash_api_key(READER): ApiKeyPrincipal(TENANT, UUID(int=2), frozenset()),
            },
        )

    def refresh(self) -> CatalogSnapshot:
        return self.snapshot

    def close(self) -> None:
        pass


class Log:
    """Keeps the events of every request, or fails as it is told."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.failure: Exception | None = None

    async def publish(self, batch: pa.RecordBatch, size_bytes: int) -> None:
        """Take a batch."""
        assert size_bytes
        if self.failure is not None:
            raise self.failure
        self.events += batch.to_pylist()


class Routes:
    """The routes, asked one request at a time."""

    def __init__(self) -> None:
        self.clock, self.log = ManualClock(NOW), Log()
        self.source = _Source()
        gate = KeyGate(self.source, 60, self.clock)  # type: ignore[arg-type]  # all that a gate calls
        intake = Intake(self.log, self.clock)  # type: ignore[arg-type]  # all that Intake calls
        services = Services(
            gate, self._limited, lambda: intake, self.clock, Database(_NOWHERE), _NO_USAGE,
            UsageConnection(_NO_USAGE),
        )  # fmt: skip
        self._gate = gate
        self.app = FastAPI()
        add_compatible_routes(self.app, services)
        describe(self.app)

    @staticmethod
    def _limited(principal: ApiKeyPrincipal, declared_bytes: int) -> Sender:
        """Under no limits: nothing of the file of slots is ever looked at."""
        with NamedTemporaryFile() as file:
            limiter = Limiter(SharedSlots(Path(file.name)), Defaults())
            return limiter.sender(principal, declared_bytes)

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """One request and its answer."""

        async def send() -> httpx.Response:
            await self._gate.start()
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, path, **request)

        return asyncio.run(send())
