"""Answers to repeated requests are forgotten when they are old, of all tenants, and unread."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from psycopg import errors

from core.acting import Acting
from core.clock import ManualClock
from core.ids import TenantId
from db import idempotency
from db.idempotency import Request, answer_once, prune
from db.postgres import Database, Role
from identity.tenants import ensure_tenant
from tests.plugins.database import do
from tests.plugins.logins import plain_login

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def tenants(database: Database) -> list[TenantId]:
    clock = ManualClock(START)
    return [do(database, ensure_tenant, clock, slug, slug)[0].id for slug in ("acme", "zeta")]


@pytest.fixture
def operator(database_url: str) -> Iterator[Database]:
    with (
        plain_login(database_url, Role.OPERATOR) as login,
        Database(login, Role.OPERATOR) as opened,
    ):
        yield opened


def answer(database_url: str, tenant_id: TenantId, key: str, at: datetime, told: str) -> str:
    request = Request(tenant_id, key, "0" * 64)
    with Database(database_url, Role.API) as api, api.transaction(Acting(tenant_id)) as conn:
        found = answer_once(conn, ManualClock(at), request, lambda: {"told": told})
    return str(found["told"])


def test_old_answers_of_all_tenants_go_and_young_ones_stay(
    database_url: str,
    operator: Database,
    tenants: list[TenantId],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(idempotency, "_BATCH", 2)
    day = timedelta(days=1)
    for tenant_id in tenants:
        for number in range(5):
            answer(database_url, tenant_id, f"k{number}", START + number * day, "first")
    assert prune(operator, START + 3 * day) == 2 * 3
    assert prune(operator, START + 3 * day) == 0
    for tenant_id in tenants:
        told = [
            answer(database_url, tenant_id, f"k{number}", START + 9 * day, "again")
            for number in range(5)
        ]
        assert told == ["again", "again", "again", "first", "first"]


def test_who_forgets_answers_cannot_read_or_write_them(
    database_url: str, operator: Database, tenants: list[TenantId]
) -> None:
    answer(database_url, tenants[0], "k", START, "secret")
    for statement in (
        "SELECT answer FROM identity.idempotency_keys",
        "UPDATE identity.idempotency_keys SET created_at = created_at",
    ):
        with pytest.raises(errors.InsufficientPrivilege), operator.transaction() as conn:
            conn.execute(statement.encode())
