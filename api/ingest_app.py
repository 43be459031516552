"""The application of an ingest process: events in, health out, nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi

from api.health import create_health_router
from api.key_gate import KeyGate
from api.problems import ErrorBody, Problem, install_problem_handlers
from catalog.snapshot import SnapshotSource
from core.clock import Clock, SystemClock
from core.errors import DependencyDownError
from core.ids import TenantId
from identity.api_keys import EVENTS_WRITE
from ingest.intake import Intake
from ingest.kafka_log import KafkaLog
from ingest.publisher import Publisher
from ingest.router import create_router
from ingest.settings import IngestSettings


class _Running:
    """What lives as long as the application serves: made on its event loop, closed with it."""

    def __init__(self, settings: IngestSettings, clock: Clock, gate: KeyGate) -> None:
        self.gate = gate
        self._settings = settings
        self._clock = clock
        self._log: KafkaLog | None = None
        self._intake: Intake | None = None

    async def start(self) -> None:
        self._log = KafkaLog(self._settings)
        self._intake = Intake(Publisher(self._log, self._settings), self._clock)
        await asyncio.gather(self._log.first_probe(), self.gate.start())

    async def stop(self) -> None:
        """Requests under way have been answered before: the server waits for them."""
        await self.gate.stop()
        if self._log is not None:
            await self._log.close()

    def intake(self) -> Intake:
        if self._intake is None:
            raise DependencyDownError("the server is starting")
        return self._intake

    def kafka_fault(self) -> str | None:
        return "the server is starting" if self._log is None else self._log.fault


def create_ingest_app(settings: IngestSettings, clock: Clock | None = None) -> FastAPI:
    """The application; it reads nothing from anywhere before it is started."""
    source = SnapshotSource(settings.endpoints.postgres, settings.snapshot_path)
    gate = KeyGate(source, settings.refresh_seconds)
    running = _Running(settings, clock or SystemClock(), gate)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await running.start()
        try:
            yield
        finally:
            await running.stop()

    def tenant_of(request: Request) -> TenantId:
        return gate.principal_of(request, EVENTS_WRITE).tenant_id

    app = FastAPI(
        title="Tollbook ingest",
        version=version("tollbook-server"),
        lifespan=lifespan,
        summary="Usage events in; each counted exactly once.",
    )
    install_problem_handlers(app)
    app.include_router(create_router(running.intake, tenant_of))
    app.include_router(
        create_health_router({"kafka": running.kafka_fault, "catalog": lambda: gate.fault})
    )
    app.openapi = partial(_openapi, app)  # type: ignore[method-assign]  # FastAPI is extended so
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the error bodies and the API key that the routes refer to."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, summary=app.summary, routes=app.routes
        )
        components = document.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        for model in (ErrorBody, Problem):
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= schema.pop("$defs", {})
            schemas[model.__name__] = schema
        components["securitySchemes"] = {
            "apiKey": {"type": "http", "scheme": "bearer", "bearerFormat": "tb_live_…"}
        }
        app.openapi_schema = document
    return app.openapi_schema
