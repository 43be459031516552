"""Tenants are made once and found by their slug."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.clock import ManualClock
from core.errors import NotFoundError
from db.postgres import Database
from identity.tenants import ensure_tenant, find_tenant

CLOCK = ManualClock(datetime(2024, 1, 1, tzinfo=UTC))


def test_a_tenant_is_created_once_and_takes_a_new_name(database: Database) -> None:
    with database.transaction() as conn:
        first, created = ensure_tenant(conn, CLOCK, "acme", "Acme")
        again, created_again = ensure_tenant(conn, CLOCK, "acme", "Acme Cloud")
        assert (created, created_again) == (True, False)
        assert again.id == first.id
        assert find_tenant(conn, "acme") == again
        assert again.name == "Acme Cloud"


def test_metadata_keys_are_added_and_replaced_never_dropped(database: Database) -> None:
    with database.transaction() as conn:
        ensure_tenant(conn, CLOCK, "acme", "Acme", {"a": 1, "b": {"c": 2}})
        ensure_tenant(conn, CLOCK, "acme", "Acme", {"b": {"d": 3}})
        ensure_tenant(conn, CLOCK, "acme", "Acme")
        row = conn.execute("SELECT metadata FROM identity.tenants").fetchone()
    assert row == {"metadata": {"a": 1, "b": {"d": 3}}}


def test_an_unknown_tenant_is_not_found(database: Database) -> None:
    with pytest.raises(NotFoundError, match="none called 'nobody'"), database.transaction() as conn:
        find_tenant(conn, "nobody")
