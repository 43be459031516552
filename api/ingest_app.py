"""The application of an ingest process: events in, health out, nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from starlette.types import ASGIApp

from api.body_room import BodyRoom, Room
from api.health import create_health_router
from api.hot_path import HotPath
from api.key_gate import KeyGate
from api.metrics import create_metrics_router
from api.observing import FRAMEWORK_TELEMETRY, observe_requests
from api.openapi import describe
from api.problems import install_problem_handlers
from catalog.snapshot import ApiKeyPrincipal, SnapshotSource
from core.clock import Clock, SystemClock
from core.cloudevents.columnar.admitting import warm_up
from core.collecting import collect_less
from core.errors import DependencyDownError
from identity.api_keys import EVENTS_WRITE
from ingest.intake import Intake
from ingest.kafka_log import KafkaLog
from ingest.limits.account import Defaults
from ingest.limits.limiter import Limiter, Sender
from ingest.limits.shared_slots import SharedSlots
from ingest.publisher import Publisher
from ingest.router import create_router
from ingest.settings import BODY_BYTES_MAX, IngestSettings


class RunningIntake:
    """What lives as long as the application serves: made on its event loop, closed with it."""

    def __init__(self, settings: IngestSettings, clock: Clock, gate: KeyGate) -> None:
        self.gate = gate
        self._settings = settings
        self._clock = clock
        self._log: KafkaLog | None = None
        self._intake: Intake | None = None
        self._slots: SharedSlots | None = None
        self._limiter: Limiter | None = None

    async def start(self) -> None:
        """Compile what can be, connect, and look once at Kafka and the catalog."""
        await asyncio.to_thread(warm_up)
        settings = self._settings
        self._slots = SharedSlots(settings.limits_path)
        await asyncio.to_thread(self._slots.warm_up)
        self._limiter = Limiter(self._slots, Defaults(settings.key_limits, settings.tenant_limits))
        self._log = KafkaLog(settings)
        self._intake = Intake(Publisher(self._log, settings), self._clock)
        await asyncio.gather(self._log.first_probe(), self.gate.start())
        collect_less()

    async def stop(self) -> None:
        """Requests under way have been answered before: the server waits for them."""
        await self.gate.stop()
        if self._log is not None:
            await self._log.close()
        if self._intake is not None:
            self._intake.close()
        if self._slots is not None:
            self._slots.close()

    def sender(self, authorization: str, declared_bytes: int) -> Sender:
        """Whose request it is, if it may be read: the limits are asked before the body is."""
        principal = self.gate.principal_of(authorization, EVENTS_WRITE)
        return self.limited(principal, min(declared_bytes, BODY_BYTES_MAX + 1))

    def limited(self, principal: ApiKeyPrincipal, declared_bytes: int) -> Sender:
        """Who sends so many bytes (0: unknown), under the limits of their key and tenant."""
        if self._limiter is None:
            raise DependencyDownError("the server is starting")
        return self._limiter.sender(principal, declared_bytes)

    def intake(self) -> Intake:
        """The intake. Raises `DependencyDownError` before the start."""
        if self._intake is None:
            raise DependencyDownError("the server is starting")
        return self._intake

    def kafka_fault(self) -> str | None:
        """Why events cannot be published right now; None while they can."""
        return "the server is starting" if self._log is None else self._log.fault


def create_ingest_app(
    settings: IngestSettings, clock: Clock | None = None, *, shared_metrics: bool = False
) -> ASGIApp:
    """The application; it reads nothing from anywhere before it is started.

    `shared_metrics`: several processes share the port, and each answers for all of them.
    """
    source = SnapshotSource(settings.endpoints.postgres, settings.snapshot_path)
    at = clock or SystemClock()
    gate = KeyGate(source, settings.refresh_seconds, at)
    running = RunningIntake(settings, at, gate)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await running.start()
        try:
            yield
        finally:
            await running.stop()

    app = FastAPI(
        title="Tollbook ingest",
        version=version("tollbook-server"),
        lifespan=lifespan,
        telemetry=FRAMEWORK_TELEMETRY,
        summary="Usage events in; each counted exactly once.",
    )
    install_problem_handlers(app)
    app.include_router(create_router(running.intake, running.sender))
    room = Room(settings.bodies_bytes_max)
    app.add_middleware(BodyRoom, room=room)
    observe_requests(app)
    app.include_router(create_metrics_router(shared=shared_metrics))
    app.include_router(
        create_health_router({"kafka": running.kafka_fault, "catalog": lambda: gate.fault})
    )
    describe(app)
    return HotPath(app, running.intake, running.sender, room)
