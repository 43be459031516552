"""What the processes of the management API have in common: settings, keys, connections, routes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI

from api.health import create_health_router
from api.key_gate import KeyGate
from api.metrics import create_metrics_router
from api.observing import FRAMEWORK_TELEMETRY, observe_requests
from api.openapi import describe
from api.problems import install_problem_handlers
from api.public_tenants import PublicTenants
from api.token_gate import TokenGate
from api.usage_connection import UsageConnection
from catalog.snapshot import SnapshotSource
from core.clock import Clock, SystemClock
from core.endpoints import Endpoints
from db.postgres import Database, Role
from identity.token_keys import TokenKeys, fetch_over_http
from identity.tokens import TokenIssuer, TokenVerifier


@dataclass(frozen=True, slots=True)
class ManagementSettings:
    """What a management process needs to know.

    `snapshot_path` keeps the API keys' hashes; they are read again every `refresh_seconds`, so a
    new key works, and a revoked one dies, within that time. Without `tokens` only keys are taken.
    """

    endpoints: Endpoints
    snapshot_path: Path
    refresh_seconds: float = 1.0
    tokens: TokenIssuer | None = None


class Management:
    """What routers are made of, and the application that they become.

    Nothing is read from anywhere before the application starts; it closes all of it at its end.
    """

    def __init__(self, settings: ManagementSettings, clock: Clock | None) -> None:
        self.settings, self.clock = settings, clock or SystemClock()
        postgres = settings.endpoints.postgres
        self.db = Database(postgres, Role.API)
        self.snapshot = Database(postgres, Role.SNAPSHOT, connections_max=2)
        self.usage = UsageConnection(settings.endpoints.clickhouse)
        self.tenants = PublicTenants(self.snapshot)
        self._source = SnapshotSource(postgres, settings.snapshot_path)
        self._gate = KeyGate(self._source, settings.refresh_seconds, self.clock)
        verifier = _verifier(settings.tokens, self.clock)
        self.acting_of = TokenGate(self._gate, self.tenants, verifier).acting_of

    def app(
        self,
        title: str,
        summary: str,
        routers: Iterable[APIRouter],
        *,
        shared_metrics: bool,
        beside: Callable[[], AbstractAsyncContextManager[Any]] = nullcontext,
    ) -> FastAPI:
        """The application with these routes, and those that every process has.

        `shared_metrics`: several processes share the port, and each answers for all of them.
        `beside` runs while it does.
        """

        @asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncIterator[None]:
            await self._gate.start()
            try:
                async with beside():
                    yield
            finally:
                await self._gate.stop()
                self.usage.close()
                self.snapshot.close()
                self.db.close()

        app = FastAPI(
            title=title,
            version=version("tollbook-server"),
            lifespan=lifespan,
            telemetry=FRAMEWORK_TELEMETRY,
            summary=summary,
        )
        install_problem_handlers(app)
        observe_requests(app)
        app.include_router(create_metrics_router(shared=shared_metrics))
        for router in routers:
            app.include_router(router)
        checks = {"postgres": self._postgres_fault, "catalog": lambda: self._gate.fault}
        app.include_router(create_health_router(checks))
        describe(app, {"apiKey": []})
        return app

    def _postgres_fault(self) -> str | None:
        error = self._source.last_error
        return None if error is None else error.message


def _verifier(issuer: TokenIssuer | None, clock: Clock) -> TokenVerifier | None:
    if issuer is None:
        return None
    return TokenVerifier(issuer, TokenKeys(fetch_over_http(issuer.keys_url)), clock)
