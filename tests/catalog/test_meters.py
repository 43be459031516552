"""Meters: what a definition may say, and the gapless catalog version."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest

from catalog.metering.conversion import conversion_of
from catalog.metering.filters import filter_of
from catalog.meters import (
    MeterDefinition,
    archive_meter,
    counted_period,
    create_meter,
    list_meters,
    update_meter,
)
from core.clock import ManualClock
from core.errors import ConflictError, NotFoundError, ValidationError
from core.ids import MeterId, TenantId
from core.period import Period
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
        "value": "usage.tokens",
    }
    return create_meter(conn, CLOCK, tenant_id, slug=slug, **facts | changes)


def test_a_meter_is_read_back_as_it_was_created(database: Database, tenant_id: TenantId) -> None:
    with database.transaction() as conn:
        tokens = create(conn, tenant_id, "tokens")
        requests = create(conn, tenant_id, "requests", aggregation="count", value=None)
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


def test_every_word_of_a_definition_is_kept(database: Database, tenant_id: TenantId) -> None:
    words: dict[str, Any] = {
        "event_type": None,
        "event_types": ["llm.request", "llm.batch"],
        "aggregation": "weighted_sum",
        "value": "coalesce(a,0)+ 3*b",
        "filter": filter_of({"and": [{"path": "model", "in": ["b", "a"]}]}),
        "dimensions": {"region": "where.region", "model": "model"},
        "unit": "GB hours",
        "conversion": conversion_of({"factor": "0.001", "rounding": "up", "decimals": 0}),
        "per": "hour",
    }
    with database.transaction() as conn:
        made = create(conn, tenant_id, "storage", **words)
        latency = create(conn, tenant_id, "p95", aggregation="percentile", percentile=Decimal(95))
        assert list_meters(conn, tenant_id) == [made, latency]
    assert made.event_types == ("llm.batch", "llm.request")
    assert made.value == "coalesce(a, 0) + 3 * b"
    assert made.dimensions == (("model", "model"), ("region", "where.region"))
    assert "name" not in made.as_document()


def test_labels_change_and_archiving_stops_at_an_instant_that_stays(
    database: Database, tenant_id: TenantId
) -> None:
    later = CLOCK.now() + timedelta(days=1)
    with database.transaction() as conn:
        meter = create(conn, tenant_id, "tokens")
        update_meter(
            conn, CLOCK, tenant_id, meter.id, name="Tokens", unit="tokens", metadata={"a": 1}
        )
        update_meter(conn, CLOCK, tenant_id, meter.id)
        archive_meter(conn, CLOCK, tenant_id, meter.id, later)
        archive_meter(conn, CLOCK, tenant_id, meter.id)
        (found,) = list_meters(conn, tenant_id)
    assert found == replace(meter, name="Tokens", unit="tokens", archived_at=later)
    assert found.archived
    with pytest.raises(ValidationError, match=r"^archived_at: "), database.transaction() as conn:
        archive_meter(conn, CLOCK, tenant_id, meter.id, CLOCK.now() - timedelta(seconds=1))
    with pytest.raises(ValidationError, match=r"^unit: "), database.transaction() as conn:
        update_meter(conn, CLOCK, tenant_id, meter.id, unit="x" * 257)
    with pytest.raises(NotFoundError), database.transaction() as conn:
        update_meter(conn, CLOCK, tenant_id, MeterId(UUID(int=1)), name="x")


def test_a_meter_counts_up_to_its_archiving() -> None:
    meter = MeterDefinition(
        MeterId(UUID(int=1)), TenantId(UUID(int=2)), "tokens", "Tokens", ("llm",), "count", None, 1
    )
    day = timedelta(days=1)
    start = datetime(2024, 2, 1, tzinfo=UTC)
    period = Period(start, start + 2 * day)
    for at, counted in (
        (None, period),
        (period.end, period),
        (start + day, Period(start, start + day)),
        (start, None),
        (start - day, None),
    ):
        assert counted_period(replace(meter, archived_at=at), period) == counted


def test_a_meter_cannot_be_archived_after_all_events(
    database: Database, tenant_id: TenantId
) -> None:
    """Later than that, Postgres could not tell the instant any more, to any reader."""
    with database.transaction() as conn:
        meter = create(conn, tenant_id, "tokens")
        for text in ("2100-01-01T00:00:00+00:00", "9999-12-31T23:59:59-14:00"):
            with pytest.raises(ValidationError, match="after all events"):
                archive_meter(conn, CLOCK, tenant_id, meter.id, datetime.fromisoformat(text))


def test_everything_but_labels_is_final(database: Database, tenant_id: TenantId) -> None:
    with database.transaction() as conn:
        create(conn, tenant_id, "tokens")
    change = "UPDATE catalog.meters SET event_types = '{other}'"
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
        ({"aggregation": "sum", "value": None}, "value"),
        ({"aggregation": "count", "value": "a"}, "value"),
        ({"event_types": ("",)}, "event_type"),
        ({"event_types": ("x" * 257,)}, "event_type"),
        ({"event_types": ()}, "event_type"),
        ({"event_types": tuple(f"t{n}" for n in range(17))}, "event_type"),
        ({"aggregation": "median"}, "aggregation"),
        ({"value": "a +"}, "value"),
        ({"aggregation": "unique_count", "value": "a + 1"}, "value"),
        ({"aggregation": "weighted_sum"}, "per"),
        ({"aggregation": "weighted_sum", "per": "week"}, "per"),
        ({"per": "hour"}, "per"),
        ({"aggregation": "percentile"}, "percentile"),
        ({"aggregation": "percentile", "percentile": Decimal(0)}, "percentile"),
        ({"aggregation": "percentile", "percentile": Decimal("100.1")}, "percentile"),
        ({"aggregation": "percentile", "percentile": Decimal("NaN")}, "percentile"),
        ({"percentile": Decimal(95)}, "percentile"),
        ({"dimensions": (("a", "x"), ("a", "y"))}, "dimensions"),
        ({"dimensions": (("a", "x"), ("b", "x"))}, "dimensions"),
        ({"dimensions": (("a", "x +"),)}, "dimensions"),
        ({"dimensions": (("a b", "x"),)}, "dimensions"),
        ({"dimensions": tuple((f"d{n}", f"p{n}") for n in range(17))}, "dimensions"),
        ({"dimensions": (("a", "m"), ("b", '"m"'))}, "dimensions"),
        ({"event_types": ("\ud800",)}, "event_type"),
        ({"event_types": ("a\x00",)}, "event_type"),
        ({"unit": "x" * 257}, "unit"),
        ({"unit": "\ud800"}, "unit"),
        ({"name": "\x00"}, "name"),
        ({"name": "x" * 257}, "name"),
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
        "event_types": ("llm",),
        "aggregation": "sum",
        "value": "a",
        "catalog_version": 1,
    }
    MeterDefinition(**facts)
    with pytest.raises(ValidationError, match=f"^{field}: "):
        MeterDefinition(**facts | changes)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"event_type": "a", "event_types": ["b"]}, "event_type"),
        ({"event_types": "a"}, "event_types"),
        ({"event_types": [1]}, "event_types"),
        ({"event_type": "a", "value_path": "n"}, "value_path"),
        ({"event_type": "a", "dimensions": ["model"]}, "dimensions"),
        ({"event_type": "a", "filter": {"path": "a"}}, "filter"),
        ({"event_type": "a", "conversion": {"factor": "x"}}, "conversion.factor"),
        ({"event_type": "a", "percentile": "x"}, "percentile"),
        ({"event_type": "a", "aggregation": None}, "aggregation"),
        ({"event_type": "a", "aggregation": ["sum"]}, "aggregation"),
        ({"event_type": "a", "aggregation": "percentile", "percentile": True}, "percentile"),
        ({"event_type": "a", "value": 5}, "value"),
        ({"event_type": "a", "per": []}, "per"),
        ({"event_type": "a", "unit": 5}, "unit"),
        ({"event_type": "a", "dimensions": {"a": ["m"]}}, "dimensions.a"),
        ({"event_types": {"a": 1}}, "event_types"),
        ({"event_types": 5}, "event_types"),
    ],
)
def test_a_document_that_is_no_meter_is_refused(document: dict[str, Any], field: str) -> None:
    whole = {"aggregation": "sum", "value": "n"} | document
    with pytest.raises(ValidationError, match=f"^{field}: "):
        MeterDefinition.from_document(
            whole,
            meter_id=MeterId(UUID(int=1)),
            tenant_id=TenantId(UUID(int=2)),
            slug="m",
            name="M",
            catalog_version=1,
        )
