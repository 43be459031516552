"""The application of a subscription service: who pays and for what, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter, FastAPI

from api.management import Management, ManagementSettings
from api.routes.contracts import create_contracts_router
from api.routes.customer_links import create_customer_links_router
from api.routes.customers import create_customers_router
from api.routes.subscription_plans import create_subscription_plans_router
from api.routes.subscriptions import create_subscriptions_router
from core.clock import Clock


def subscription_routers(of: Management) -> Iterator[APIRouter]:
    """The routes of the context `subscriptions`; the management API serves them, too."""
    db, clock, acting_of = of.db, of.clock, of.acting_of
    yield create_customers_router(db, clock, acting_of)
    yield create_customer_links_router(db, clock, acting_of)
    yield create_subscriptions_router(db, clock, acting_of)
    yield create_subscription_plans_router(db, clock, of.usage, acting_of)
    yield create_contracts_router(db, clock, acting_of)


def create_subscriptions_app(
    settings: ManagementSettings, clock: Clock | None = None, *, shared_metrics: bool = False
) -> FastAPI:
    """The application; it reads nothing from anywhere before it is started.

    `shared_metrics`: several processes share the port, and each answers for all of them.
    """
    management = Management(settings, clock)
    return management.app(
        "Tollbook subscriptions",
        "Who pays, for what, and what was agreed.",
        subscription_routers(management),
        shared_metrics=shared_metrics,
    )
