"""The application that speaks as other products do: one base URL to send to and to ask."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from api.body_room import BodyRoom, Room
from api.compat import flexprice, lago, openmeter, stripe
from api.compat.services import Services
from api.health import create_health_router
from api.ingest_app import RunningIntake
from api.key_gate import KeyGate
from api.metrics import create_metrics_router
from api.observing import FRAMEWORK_TELEMETRY, observe_requests
from api.openapi import describe
from api.problems import ErrorStyle, install_problem_handlers
from api.usage_connection import UsageConnection
from catalog.snapshot import SnapshotSource
from core.clock import Clock, SystemClock
from db.postgres import Database, Role
from ingest.settings import IngestSettings

_SCHEMES = {
    "flexpriceKey": {"type": "apiKey", "in": "header", "name": flexprice.KEY_HEADER},
    "stripeSession": {"type": "http", "scheme": "bearer", "bearerFormat": "tbs_…"},
}


def create_compat_app(
    settings: IngestSettings, clock: Clock | None = None, *, shared_metrics: bool = False
) -> FastAPI:
    """The application; it reads nothing from anywhere before it is started.

    `shared_metrics`: several processes share the port, and each answers for all of them.
    """
    at = clock or SystemClock()
    db = Database(settings.endpoints.postgres, Role.API)
    source = SnapshotSource(settings.endpoints.postgres, settings.snapshot_path)
    gate = KeyGate(source, settings.refresh_seconds, at)
    running = RunningIntake(settings, at, gate)
    clickhouse = settings.endpoints.clickhouse
    services = Services(
        gate, running.limited, running.intake, at, db, clickhouse, UsageConnection(clickhouse)
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await running.start()
        try:
            yield
        finally:
            await running.stop()
            services.usage.close()
            db.close()

    app = FastAPI(
        title="Tollbook, compatible routes",
        version=version("tollbook-server"),
        lifespan=lifespan,
        telemetry=FRAMEWORK_TELEMETRY,
        summary="Usage events in, totals out, in the words of other products.",
    )
    add_compatible_routes(app, services)
    app.add_middleware(BodyRoom, room=Room(settings.bodies_bytes_max))
    observe_requests(app)
    app.include_router(create_metrics_router(shared=shared_metrics))
    app.include_router(
        create_health_router({"kafka": running.kafka_fault, "catalog": lambda: gate.fault})
    )
    describe(app, schemes=_SCHEMES)
    return app


def add_compatible_routes(app: FastAPI, services: Services) -> None:
    """The routes of every peer, and its error bodies below its prefix."""
    styles: dict[str, ErrorStyle] = {
        openmeter.PREFIX: openmeter.openmeter_error,
        lago.PREFIX: lago.lago_error,
        stripe.PREFIX: stripe.stripe_error,
        flexprice.PREFIX: flexprice.flexprice_error,
    }
    install_problem_handlers(app, styles)
    app.include_router(openmeter.create_openmeter_router(services))
    app.include_router(lago.create_lago_router(services))
    app.include_router(stripe.create_stripe_router(services))
    app.include_router(flexprice.create_flexprice_router(services))
