"""The fixtures of these tests."""

from __future__ import annotations

import pytest

from core.clock import ManualClock
from core.ids import TenantId
from db.postgres import Database
from identity.tenants import ensure_tenant
from tests.plugins.database import database, database_url
from tests.subscriptions.customers.customer_world import START

__all__ = ["database", "database_url"]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def tenant_id(database: Database, clock: ManualClock) -> TenantId:
    with database.transaction() as conn:
        return ensure_tenant(conn, clock, "acme", "Acme")[0].id
