"""API keys: shown once, stored as hashes, revoked for ever."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from core.clock import ManualClock
from core.errors import NotFoundError, ValidationError
from core.ids import TenantId
from db.postgres import Database
from identity.api_keys import create_api_key, has_api_key, hash_api_key, revoke_api_key
from identity.tenants import ensure_tenant

START = datetime(2024, 1, 1, tzinfo=UTC)
CLOCK = ManualClock(START)


@pytest.fixture
def tenant_id(database: Database) -> TenantId:
    with database.transaction() as conn:
        return ensure_tenant(conn, CLOCK, "acme", "Acme")[0].id


def test_only_the_hash_and_the_prefix_of_a_key_are_stored(
    database: Database, tenant_id: TenantId
) -> None:
    text = create_api_key(database, CLOCK, tenant_id, "ingest")
    assert re.fullmatch(r"tb_live_[0-9a-f]{8}_[0-9a-f]{48}", text)
    with database.transaction() as conn:
        row = conn.execute("SELECT * FROM identity.api_keys").fetchone()
    assert row is not None
    assert row["key_hash"] == hash_api_key(text) == hashlib.sha256(text.encode()).hexdigest()
    assert row["prefix"] == text.split("_")[2]
    assert (row["scopes"], row["created_at"]) == (["events:write"], START)
    assert text.split("_")[3] not in str(row)


def test_no_two_keys_are_alike(database: Database, tenant_id: TenantId) -> None:
    keys = {create_api_key(database, CLOCK, tenant_id, "k") for _ in range(20)}
    assert len(keys) == 20


def test_a_revoked_key_stays_revoked_from_the_first_time_on(
    database: Database, tenant_id: TenantId
) -> None:
    create_api_key(database, CLOCK, tenant_id, "k")
    with database.transaction() as conn:
        assert has_api_key(conn, tenant_id)
        row = conn.execute("SELECT id FROM identity.api_keys").fetchone()
    assert row is not None
    clock = ManualClock(START)
    revoke_api_key(database, clock, tenant_id, row["id"])
    clock.advance(timedelta(hours=1))
    revoke_api_key(database, clock, tenant_id, row["id"])
    with database.transaction() as conn:
        assert not has_api_key(conn, tenant_id)
        revoked = conn.execute("SELECT revoked_at FROM identity.api_keys").fetchone()
    assert revoked == {"revoked_at": START}


def test_a_key_of_another_tenant_cannot_be_revoked(database: Database, tenant_id: TenantId) -> None:
    create_api_key(database, CLOCK, tenant_id, "k")
    with database.transaction() as conn:
        other = ensure_tenant(conn, CLOCK, "other", "Other")[0].id
        row = conn.execute("SELECT id FROM identity.api_keys").fetchone()
    assert row is not None
    with pytest.raises(NotFoundError):
        revoke_api_key(database, CLOCK, other, row["id"])


@pytest.mark.parametrize(
    ("name", "scopes", "field"),
    [("", ("events:write",), "name"), ("k", ("events:erase",), "scopes"), ("k", (), "scopes")],
)
def test_bad_input_is_named(
    database: Database, tenant_id: TenantId, name: str, scopes: tuple[str, ...], field: str
) -> None:
    with pytest.raises(ValidationError, match=f"^{field}: "):
        create_api_key(database, CLOCK, tenant_id, name, scopes)


def test_a_key_for_nobody_is_refused(database: Database) -> None:
    with pytest.raises(NotFoundError, match="tenant"):
        create_api_key(database, CLOCK, TenantId(UUID(int=1)), "k")
