"""Meters: what a definition may say, and the gapless catalog version."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest

from catalog.meters import (
    MeterDefinition,
    archive_meter,
    create_meter,
    list_meters,
    parse_value_path,
)
from core.clock import ManualClock
from core.errors import ConflictError, NotFoundError, ValidationError
from core.ids import MeterId, TenantId
from db.postgres import Connection, Database
from identity.tenants import ensure_tenant

CLOCK = ManualClock(datetime(2024, 1, 1, tzinfo=UTC))


@pytest.fixture
def tenant_id(database: Database) -> TenantId:
    with database.transaction() as conn:
        return ensure_tenant(conn, CLOCK, "acme", "Acme")[0].id


def create(conn: Connection, tenant_id: TenantId, slug: str, **changes: Any) -> MeterDefinition:
    facts: dict[str, Any] = {
        "name": slug,
        "event_type": "llm.request",
        "aggregation": "sum",
        "value_path": ("usage", "tokens"),
    }
    return create_meter(conn, CLOCK, tenant_id, slug=slug, **facts | changes)


def test_a_meter_is_read_back_as_it_was_created(database: Database, tenant_id: TenantId) -> None:
    with database.transaction() as conn:
        tokens = create(conn, tenant_id, "tokens")
        requests = create(conn, tenant_id, "requests", aggregation="count", value_path=None)
        assert list_meters(conn, tenant_id) == [tokens, requests]
    assert (tokens.catalog_version, requests.catalog_version) == (1, 2)


def test_catalog_versions_have_no_gap_whatever_fails_or_races(
    database: Database, tenant_id: TenantId
) -> None:
    def attempt(number: int) -> None:
        with database.transaction() as conn:
            create(conn, tenant_id, f"meter-{number}")
            if number % 3 == 0:
                raise ZeroDivisionError

    with ThreadPoolExecutor(6) as threads:
        outcomes = [threads.submit(attempt, number) for number in range(24)]
    assert sum(each.exception() is None for each in outcomes) == 16
    with database.transaction() as conn:
        versions = [meter.catalog_version for meter in list_meters(conn, tenant_id)]
    assert versions == list(range(1, 17))


def test_a_slug_is_taken_once_per_tenant(database: Database, tenant_id: TenantId) -> None:
    with database.transaction() as conn:
        other = ensure_tenant(conn, CLOCK, "other", "Other")[0].id
        create(conn, tenant_id, "tokens")
        create(conn, other, "tokens")
    with pytest.raises(ConflictError, match="'tokens' exists"), database.transaction() as conn:
        create(conn, tenant_id, "tokens")


def test_archiving_is_a_label_and_everything_else_is_final(
    database: Database, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        meter = create(conn, tenant_id, "tokens")
        archive_meter(conn, CLOCK, tenant_id, meter.id)
        assert [each.archived for each in list_meters(conn, tenant_id)] == [True]
    change = "UPDATE catalog.meters SET event_type = 'other'"
    with (
        pytest.raises(psycopg.IntegrityError, match="never changed"),
        database.transaction() as conn,
    ):
        conn.execute(change)
    with pytest.raises(NotFoundError), database.transaction() as conn:
        archive_meter(conn, CLOCK, tenant_id, MeterId(UUID(int=1)))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"aggregation": "sum", "value_path": None}, "value"),
        ({"aggregation": "count", "value_path": ("a",)}, "value"),
        ({"event_type": ""}, "event_type"),
        ({"event_type": "x" * 257}, "event_type"),
        ({"slug": "Tokens"}, "slug"),
        ({"slug": "-tokens"}, "slug"),
        ({"slug": ""}, "slug"),
        ({"slug": "x" * 65}, "slug"),
    ],
)
def test_a_definition_that_is_none_is_refused(changes: dict[str, Any], field: str) -> None:
    facts: dict[str, Any] = {
        "id": MeterId(UUID(int=1)),
        "tenant_id": TenantId(UUID(int=2)),
        "slug": "tokens",
        "name": "Tokens",
        "event_type": "llm",
        "aggregation": "sum",
        "value_path": ("a",),
        "catalog_version": 1,
    }
    MeterDefinition(**facts)
    with pytest.raises(ValidationError, match=f"^{field}: "):
        MeterDefinition(**facts | changes)


def test_a_path_is_split_at_its_dots() -> None:
    assert parse_value_path("usage.tokens") == ("usage", "tokens")
    assert parse_value_path(".".join("abcdefgh")) == tuple("abcdefgh")


@pytest.mark.parametrize("text", ["", ".", "a..b", "a.", "x" * 129, ".".join("abcdefghi")])
def test_a_path_without_steps_or_over_the_limits_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match=r"^value: "):
        parse_value_path(text)
