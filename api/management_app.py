"""The application of a management process: what is measured, sold, to whom, and what changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
from api.routes.changes import create_changes_router
from api.routes.contracts import create_contracts_router
from api.routes.customer_links import create_customer_links_router
from api.routes.customers import create_customers_router
from api.routes.features import create_features_router
from api.routes.meter_trials import create_trials_router
from api.routes.meters import create_meters_router
from api.routes.plans import create_plans_router
from api.routes.public_plans import create_public_plans_router
from api.routes.sandbox import create_sandbox_router
from api.routes.settings import create_settings_router
from api.routes.subscription_plans import create_subscription_plans_router
from api.routes.subscriptions import create_subscriptions_router
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
    acting_of = TokenGate(gate, tenants, _verifier(settings.tokens, at)).acting_of

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await gate.start()
        try:
            yield
        finally:
            await gate.stop()
            usage.close()
            snapshot.close()
            billing.close()
            db.close()

    def postgres_fault() -> str | None:
        return None if source.last_error is None else source.last_error.message

    app = FastAPI(
        title="Tollbook management",
        version=version("tollbook-server"),
        lifespan=lifespan,
        telemetry=FRAMEWORK_TELEMETRY,
        summary="What is measured and sold, to whom, and what changed.",
    )
    install_problem_handlers(app)
    observe_requests(app)
    app.include_router(create_metrics_router(shared=shared_metrics))
    app.include_router(create_trials_router(settings.endpoints.clickhouse, at, acting_of))
    app.include_router(create_meters_router(db, at, acting_of))
    app.include_router(create_features_router(db, at, usage, acting_of))
    app.include_router(create_plans_router(db, at, acting_of))
    app.include_router(create_customers_router(db, at, acting_of))
    app.include_router(create_customer_links_router(db, at, acting_of))
    app.include_router(create_public_plans_router(db, tenants))
    app.include_router(create_subscriptions_router(db, at, acting_of))
    app.include_router(create_subscription_plans_router(db, at, usage, acting_of))
    app.include_router(create_contracts_router(db, at, acting_of))
    app.include_router(create_sandbox_router(db, billing, at, settings.endpoints, usage, acting_of))
    app.include_router(create_settings_router(db, at, acting_of))
    app.include_router(create_changes_router(db, acting_of))
    app.include_router(
        create_health_router({"postgres": postgres_fault, "catalog": lambda: gate.fault})
    )
    describe(app, {"apiKey": []})
    return app


def _verifier(issuer: TokenIssuer | None, clock: Clock) -> TokenVerifier | None:
    if issuer is None:
        return None
    return TokenVerifier(issuer, TokenKeys(fetch_over_http(issuer.keys_url)), clock)
