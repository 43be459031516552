"""The application of a management process: what is measured, sold, to whom, and what changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from api.management import Management, ManagementSettings
from api.routes.catalog import create_catalog_router
from api.routes.changes import create_changes_router
from api.routes.entitlements import create_entitlements_router
from api.routes.features import create_features_router
from api.routes.invoices import create_invoices_router
from api.routes.meter_trials import create_trials_router
from api.routes.meters import create_meters_router
from api.routes.plans import create_plans_router
from api.routes.public_plans import create_public_plans_router
from api.routes.sandbox import create_sandbox_router
from api.routes.settings import create_settings_router
from api.routes.usage_holds import create_usage_holds_router
from api.routes.usage_records import create_usage_records_router
from api.subscriptions_app import subscription_routers
from api.usage_sending import UsageSending
from core.clock import Clock
from db.postgres import Database, Role
from entitlements.holding import Holding
from entitlements.measuring import Measuring
from entitlements.memory import Memory
from entitlements.reserving import Reserving
from entitlements.tracking import Tracking
from ingest.settings import IngestSettings


def create_management_app(
    settings: ManagementSettings, clock: Clock | None = None, *, shared_metrics: bool = False
) -> FastAPI:
    """The application; it reads nothing from anywhere before it is started.

    `shared_metrics`: several processes share the port, and each answers for all of them.
    """
    management = Management(settings, clock)
    billing = Database(settings.endpoints.postgres, Role.BILLING, connections_max=2)
    at = management.clock
    measuring = Measuring(management.db, management.usage.reader, at)
    memory, reserving = Memory(measuring, at), Reserving(measuring)
    tracking, holding = Tracking(reserving), Holding(reserving)
    events = IngestSettings(settings.endpoints, settings.snapshot_path)
    sending: list[UsageSending] = []  # made on the event loop that it belongs to

    @asynccontextmanager
    async def sending_usage() -> AsyncIterator[None]:
        sending.append(UsageSending(events, tracking, management.snapshot, at))
        sending[-1].start()
        try:
            yield
        finally:
            await sending[-1].stop()
            await asyncio.to_thread(memory.close)
            billing.close()

    return management.app(
        "Tollbook management",
        "What is measured and sold, to whom, and what changed.",
        (
            *_catalog_routers(management),
            *subscription_routers(management),
            *_tenant_routers(management, billing),
            create_invoices_router(management.db, management.acting_of),
            create_entitlements_router(management.db, at, memory, measuring, management.acting_of),
            *_usage_routers(management, tracking, holding, lambda: sending[-1]),
        ),
        shared_metrics=shared_metrics,
        beside=sending_usage,
    )


def _catalog_routers(of: Management) -> Iterator[APIRouter]:
    db, clock, acting_of = of.db, of.clock, of.acting_of
    yield create_trials_router(of.settings.endpoints.clickhouse, clock, acting_of)
    yield create_meters_router(db, clock, acting_of)
    yield create_features_router(db, clock, of.usage, acting_of)
    yield create_plans_router(db, clock, acting_of)
    yield create_catalog_router(db, clock, acting_of)
    yield create_public_plans_router(db, of.tenants)


def _tenant_routers(of: Management, billing: Database) -> Iterator[APIRouter]:
    db, clock, acting_of = of.db, of.clock, of.acting_of
    yield create_sandbox_router(db, billing, clock, of.settings.endpoints, of.usage, acting_of)
    yield create_settings_router(db, clock, acting_of)
    yield create_changes_router(db, acting_of)


def _usage_routers(
    of: Management, tracking: Tracking, holding: Holding, sending: Callable[[], UsageSending]
) -> Iterator[APIRouter]:
    yield create_usage_records_router(tracking, sending, of.clock, of.acting_of)
    yield create_usage_holds_router(holding, sending, of.clock, of.acting_of)
