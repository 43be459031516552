"""API keys: shown once, stored as hashes, revoked for ever."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from core.clock import ManualClock
from core.errors import ConflictError, NotFoundError, ValidationError
from core.ids import TenantId, format_id
from core.rate_limits import NO_LIMITS, RATE_MAX, Rate, RateLimits
from db.postgres import Database
from identity.api_keys import (
    EVENTS_WRITE,
    METERS_READ,
    ApiKey,
    find_api_key,
    has_api_key,
    hash_api_key,
    insert_api_key,
    list_api_keys,
    revoke_api_key,
    rotate_api_key,
    set_api_key_limits,
)
from identity.rate_limits import set_tenant_limits, tenant_limits
from identity.tenants import ensure_tenant
from tests.plugins.database import do

START = datetime(2024, 1, 1, tzinfo=UTC)
CLOCK = ManualClock(START)


@pytest.fixture
def tenant_id(database: Database) -> TenantId:
    with database.transaction() as conn:
        return ensure_tenant(conn, CLOCK, "acme", "Acme")[0].id


def test_only_the_hash_and_the_prefix_of_a_key_are_stored(
    database: Database, tenant_id: TenantId
) -> None:
    text = do(database, insert_api_key, CLOCK, tenant_id, "ingest")
    assert re.fullmatch(r"tb_live_[0-9a-f]{8}_[0-9a-f]{48}", text)
    with database.transaction() as conn:
        row = conn.execute("SELECT * FROM identity.api_keys").fetchone()
    assert row is not None
    assert row["key_hash"] == hash_api_key(text) == hashlib.sha256(text.encode()).hexdigest()
    assert row["prefix"] == text.split("_")[2]
    assert (row["scopes"], row["created_at"]) == (["events:write"], START)
    assert text.split("_")[3] not in str(row)


def test_no_two_keys_are_alike(database: Database, tenant_id: TenantId) -> None:
    keys = {do(database, insert_api_key, CLOCK, tenant_id, "k") for _ in range(20)}
    assert len(keys) == 20


def test_a_revoked_key_stays_revoked_from_the_first_time_on(
    database: Database, tenant_id: TenantId
) -> None:
    do(database, insert_api_key, CLOCK, tenant_id, "k")
    with database.transaction() as conn:
        assert has_api_key(conn, tenant_id)
        row = conn.execute("SELECT id FROM identity.api_keys").fetchone()
    assert row is not None
    clock = ManualClock(START)
    do(database, revoke_api_key, clock, tenant_id, row["id"])
    clock.advance(timedelta(hours=1))
    do(database, revoke_api_key, clock, tenant_id, row["id"])
    with database.transaction() as conn:
        assert not has_api_key(conn, tenant_id)
        revoked = conn.execute("SELECT revoked_at FROM identity.api_keys").fetchone()
    assert revoked == {"revoked_at": START}


def test_a_key_of_another_tenant_cannot_be_revoked(database: Database, tenant_id: TenantId) -> None:
    do(database, insert_api_key, CLOCK, tenant_id, "k")
    with database.transaction() as conn:
        other = ensure_tenant(conn, CLOCK, "other", "Other")[0].id
        row = conn.execute("SELECT id FROM identity.api_keys").fetchone()
    assert row is not None
    with pytest.raises(NotFoundError):
        do(database, revoke_api_key, CLOCK, other, row["id"])


@pytest.mark.parametrize(
    ("name", "scopes", "field"),
    [("", ("events:write",), "name"), ("k", ("events:erase",), "scopes"), ("k", (), "scopes")],
)
def test_bad_input_is_named(
    database: Database, tenant_id: TenantId, name: str, scopes: tuple[str, ...], field: str
) -> None:
    with pytest.raises(ValidationError, match=f"^{field}: "):
        do(database, insert_api_key, CLOCK, tenant_id, name, scopes)


def test_a_key_for_nobody_is_refused(database: Database) -> None:
    with pytest.raises(NotFoundError, match="tenant"):
        do(database, insert_api_key, CLOCK, TenantId(UUID(int=1)), "k")


def _only_key(database: Database, tenant_id: TenantId) -> ApiKey:
    with database.transaction() as conn:
        (key,) = list_api_keys(conn, tenant_id)
    return key


def test_a_rotated_key_has_an_heir_and_an_end(database: Database, tenant_id: TenantId) -> None:
    clock, limits = ManualClock(START), RateLimits(Rate(5, 6), Rate(7, 2**20))
    with database.transaction() as conn:
        insert_api_key(conn, clock, tenant_id, "gateway", (EVENTS_WRITE, METERS_READ), limits)
    old = _only_key(database, tenant_id)
    clock.advance(timedelta(seconds=1))
    new_id, text = do(
        database, rotate_api_key, clock, tenant_id, old.id, START + timedelta(hours=2)
    )
    with database.transaction() as conn:
        before, after = list_api_keys(conn, tenant_id)
        assert has_api_key(conn, tenant_id)
    assert (before.expires_at, before.replaced_by) == (START + timedelta(hours=2), new_id)
    assert (after.id, after.prefix) == (new_id, text.split("_")[2])
    assert (after.name, after.scopes, after.limits) == ("gateway", old.scopes, limits)
    assert (after.expires_at, after.revoked_at, after.replaced_by) == (None, None, None)
    assert before.state_at(START) == "replaced, live until 2024-01-01 02:00"
    assert before.state_at(START + timedelta(hours=2)) == "expired 2024-01-01 02:00"
    assert after.state_at(START) == "live"


def test_only_a_live_key_is_rotated_and_never_into_the_past(
    database: Database, tenant_id: TenantId
) -> None:
    do(database, insert_api_key, CLOCK, tenant_id, "k")
    old = _only_key(database, tenant_id)
    with pytest.raises(ValidationError, match=r"^old_until: lies in the past"):
        do(database, rotate_api_key, CLOCK, tenant_id, old.id, START - timedelta(seconds=1))
    new_id, _ = do(database, rotate_api_key, CLOCK, tenant_id, old.id, START)
    with pytest.raises(ConflictError, match="rotate the key that replaced it"):
        do(database, rotate_api_key, CLOCK, tenant_id, old.id, START)
    do(database, revoke_api_key, CLOCK, tenant_id, new_id)
    with pytest.raises(ConflictError, match="revoked"):
        do(database, rotate_api_key, CLOCK, tenant_id, new_id, START)
    with database.transaction() as conn:
        assert not has_api_key(conn, tenant_id)
        other = ensure_tenant(conn, CLOCK, "other", "Other")[0].id
    with pytest.raises(NotFoundError):
        do(database, rotate_api_key, CLOCK, other, new_id, START)


def test_a_key_is_found_by_its_id_its_prefix_or_its_text(
    database: Database, tenant_id: TenantId
) -> None:
    text = do(database, insert_api_key, CLOCK, tenant_id, "k")
    key = _only_key(database, tenant_id)
    names = (format_id("key", key.id), key.prefix, f"tb_live_{key.prefix}", text)
    with database.transaction() as conn:
        other = ensure_tenant(conn, CLOCK, "other", "Other")[0].id
        for name in names:
            assert find_api_key(conn, tenant_id, name) == key
            with pytest.raises(NotFoundError) as caught:
                find_api_key(conn, other, name)
            assert text.split("_")[3] not in caught.value.message
        for name in ("", "k", "tb_live_", "key_1", "zzzzzzzz"):
            with pytest.raises(ValidationError, match=r"^KEY: "):
                find_api_key(conn, tenant_id, name)


def test_limits_are_stored_with_the_key_and_the_tenant(
    database: Database, tenant_id: TenantId
) -> None:
    do(database, insert_api_key, CLOCK, tenant_id, "k")
    key = _only_key(database, tenant_id)
    assert key.limits == NO_LIMITS
    limits = RateLimits(events=Rate(RATE_MAX, 1))
    do(database, set_api_key_limits, CLOCK, tenant_id, key.id, limits)
    assert _only_key(database, tenant_id).limits == limits
    with database.transaction() as conn:
        assert tenant_limits(conn, tenant_id) == NO_LIMITS
        set_tenant_limits(conn, CLOCK, tenant_id, RateLimits(bytes=Rate(1, 2**20)))
        assert tenant_limits(conn, tenant_id) == RateLimits(bytes=Rate(1, 2**20))
        nobody = TenantId(UUID(int=1))
        with pytest.raises(NotFoundError):
            set_tenant_limits(conn, CLOCK, nobody, NO_LIMITS)
        with pytest.raises(NotFoundError):
            tenant_limits(conn, nobody)
    with pytest.raises(NotFoundError):
        do(database, set_api_key_limits, CLOCK, nobody, key.id, NO_LIMITS)
