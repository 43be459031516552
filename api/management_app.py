"""The application of a management process: what is measured, sold, to whom, and what changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI

from api.health import create_health_router
from api.key_gate import KeyGate
from api.metrics import create_metrics_router
from api.observing import FRAMEWORK_TELEMETRY, observe_requests
from api.openapi import describe
from api.problems import install_problem_handlers
from api.public_tenants import PublicTenants
from api.routes.catalog import create_catalog_router
from api.routes.changes import create_changes_router
from api.routes.contracts import create_contracts_router
from api.routes.customer_links import create_customer_links_router
from api.routes.customers import create_customers_router
from api.routes.entitlements import create_entitlements_router
from api.routes.features import create_features_router
from api.routes.invoices import create_invoices_router
from api.routes.meter_trials import create_trials_router
from api.routes.meters import create_meters_router
from api.routes.plans import create_plans_router
from api.routes.public_plans import create_public_plans_router
from api.routes.sandbox import create_sandbox_router
from api.routes.settings import create_settings_router
from api.routes.subscription_plans import create_subscription_plans_router
from api.routes.subscriptions import create_subscriptions_router
from api.routes.usage_holds import create_usage_holds_router
from api.routes.usage_records import create_usage_records_router
from api.token_gate import TokenGate
from api.usage_connection import UsageConnection
from api.usage_sending import UsageSending
from catalog.snapshot import SnapshotSource
from core.clock import Clock, SystemClock
from core.endpoints import Endpoints
from db.postgres import Database, Role
from entitlements.holding import Holding
from entitlements.measuring import Measuring
from entitlements.memory import Memory
from entitlements.reserving import Reserving
from entitlements.tracking import Tracking
from identity.token_keys import TokenKeys, fetch_over_http
from identity.tokens import TokenIssuer, TokenVerifier
from ingest.settings import IngestSettings


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


def create_management_app(
    settings: ManagementSettings, clock: Clock | None = None, *, shared_metrics: bool = False
) -> FastAPI:
    """The application; it reads nothing from anywhere before it is started.

    `shared_metrics`: several processes share the port, and each answers for all of them.
    """
    db = Database(settings.endpoints.postgres, Role.API)
    billing = Database(settings.endpoints.postgres, Role.BILLING, connections_max=2)
    source = SnapshotSource(settings.endpoints.postgres, settings.snapshot_path)
    at = clock or SystemClock()
    gate = KeyGate(source, settings.refresh_seconds, at)
    snapshot = Database(settings.endpoints.postgres, Role.SNAPSHOT, connections_max=2)
    tenants = PublicTenants(snapshot)
    usage = UsageConnection(settings.endpoints.clickhouse)
    measuring = Measuring(db, usage.reader, at)
    memory, reserving = Memory(measuring, at), Reserving(measuring)
    tracking, holding = Tracking(reserving), Holding(reserving)
    events = IngestSettings(settings.endpoints, settings.snapshot_path)
    sending: list[UsageSending] = []  # made on the event loop that it belongs to
    acting_of = TokenGate(gate, tenants, _verifier(settings.tokens, at)).acting_of

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await gate.start()
        sending.append(UsageSending(events, tracking, snapshot, at))
        sending[-1].start()
        try:
            yield
        finally:
            await sending[-1].stop()
            await asyncio.to_thread(memory.close)
            await gate.stop()
            usage.close()
            snapshot.close()
            billing.close()
            db.close()

    def postgres_fault() -> str | None:
        return None if source.last_error is None else source.last_error.message

    app = _bare_app(lifespan)
    for router in (
        create_metrics_router(shared=shared_metrics),
        create_trials_router(settings.endpoints.clickhouse, at, acting_of),
        create_meters_router(db, at, acting_of),
        create_features_router(db, at, usage, acting_of),
        create_plans_router(db, at, acting_of),
        create_catalog_router(db, at, acting_of),
        create_customers_router(db, at, acting_of),
        create_customer_links_router(db, at, acting_of),
        create_public_plans_router(db, tenants),
        create_subscriptions_router(db, at, acting_of),
        create_subscription_plans_router(db, at, usage, acting_of),
        create_contracts_router(db, at, acting_of),
        create_sandbox_router(db, billing, at, settings.endpoints, usage, acting_of),
        create_settings_router(db, at, acting_of),
        create_invoices_router(db, acting_of),
        create_entitlements_router(db, at, memory, measuring, acting_of),
        create_usage_records_router(tracking, lambda: sending[-1], at, acting_of),
        create_usage_holds_router(holding, lambda: sending[-1], at, acting_of),
        create_changes_router(db, acting_of),
        create_health_router({"postgres": postgres_fault, "catalog": lambda: gate.fault}),
    ):
        app.include_router(router)
    describe(app, {"apiKey": []})
    return app


def _bare_app(lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]) -> FastAPI:
    app = FastAPI(
        title="Tollbook management",
        version=version("tollbook-server"),
        lifespan=lifespan,
        telemetry=FRAMEWORK_TELEMETRY,
        summary="What is measured and sold, to whom, and what changed.",
    )
    install_problem_handlers(app)
    observe_requests(app)
    return app


def _verifier(issuer: TokenIssuer | None, clock: Clock) -> TokenVerifier | None:
    if issuer is None:
        return None
    return TokenVerifier(issuer, TokenKeys(fetch_over_http(issuer.keys_url)), clock)
