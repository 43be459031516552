"""A server for the subscriptions of a desk, and keys to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from core.clock import SystemClock
from core.ids import TenantId
from db.postgres import Database, Role
from identity.api_keys import (
    CHANGES_READ,
    SUBSCRIPTIONS_READ,
    SUBSCRIPTIONS_WRITE,
    insert_api_key,
)
from tests.api.management import management
from tests.plugins.database import do
from tests.plugins.logins import plain_login
from tests.subscriptions.operating import Desk, open_desk

Headers = dict[str, str]


def key(database: Database, tenant_id: TenantId, *scopes: str) -> Headers:
    """The headers of a new key."""
    text = do(database, insert_api_key, SystemClock(), tenant_id, "k", scopes)
    return {"Authorization": f"Bearer {text}"}


@pytest.fixture
def desk(database: Database) -> Desk:
    return open_desk(database)


@pytest.fixture
def writer(database: Database, desk: Desk) -> Headers:
    return key(database, desk.tenant_id, SUBSCRIPTIONS_READ, SUBSCRIPTIONS_WRITE, CHANGES_READ)


@pytest.fixture
def reader(database: Database, desk: Desk) -> Headers:
    return key(database, desk.tenant_id, SUBSCRIPTIONS_READ)


@pytest.fixture
def client(
    writer: Headers, reader: Headers, desk: Desk, database_url: str, tmp_path: Path
) -> Iterator[httpx.Client]:
    """A server whose login is nothing but a member of its two roles."""
    assert writer
    assert reader
    with (
        plain_login(database_url, Role.API, Role.SNAPSHOT) as login,
        management(login, tmp_path, clock=desk.clock) as opened,
    ):
        yield opened
