"""The snapshot outlives Postgres, and damage on disk is seen."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from catalog.metering.conversion import conversion_of
from catalog.metering.filters import filter_of
from catalog.meters import (
    Aggregation,
    MeterDefinition,
    archive_meter,
    create_meter,
    list_meters,
    update_meter,
)
from catalog.snapshot import ApiKeyPrincipal, CatalogSnapshot, SnapshotSource
from catalog.snapshot_file import read_snapshot, write_snapshot
from core.clock import ManualClock
from core.errors import DependencyDownError, InternalError, ValidationError
from core.ids import MeterId, TenantId
from core.rate_limits import Rate, RateLimits
from db.postgres import Database
from identity.api_keys import (
    hash_api_key,
    insert_api_key,
    list_api_keys,
    revoke_api_key,
    rotate_api_key,
    set_api_key_limits,
)
from identity.rate_limits import set_tenant_limits
from identity.tenants import ensure_tenant
from infra.local.stack import LocalStack
from tests.plugins.database import do
from tests.plugins.installations import install

CLOCK = ManualClock(datetime(2024, 1, 1, tzinfo=UTC))
NOWHERE = "postgresql://app:pw@127.0.0.1:1/x"
TENANT = TenantId(UUID(int=2))


def meter(version: int) -> MeterDefinition:
    value = 'usage."größe"' if version % 2 else None
    aggregation: Aggregation = "sum" if value else "count"
    return MeterDefinition(
        MeterId(UUID(int=version)),
        TENANT,
        f"m-{version}",
        "Größe",
        ("t",),
        aggregation,
        value,
        version,
    )


WORDY = replace(
    meter(3),
    aggregation="percentile",
    percentile=Decimal("99.9"),
    filter=filter_of({"or": [{"path": "a", "gt": "1.5"}, {"path": "b", "not_in": ["x", "y"]}]}),
    dimensions=(("model", "model"),),
    unit="ms",
    conversion=conversion_of({"factor": "0.001"}),
    archived_at=CLOCK.now(),
)
SNAPSHOT = CatalogSnapshot(
    3,
    (meter(1), meter(2), WORDY),
    {
        "ab" * 32: ApiKeyPrincipal(TENANT, UUID(int=3), frozenset({"events:write"})),
        "cd" * 32: ApiKeyPrincipal(
            TENANT,
            UUID(int=4),
            frozenset(),
            CLOCK.now(),
            RateLimits(events=Rate(1, 2)),
            RateLimits(Rate(3, 4), Rate(5, 6)),
        ),
    },
)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "catalog.json"


@pytest.fixture
def source(database_url: str, cache: Path) -> Iterator[SnapshotSource]:
    opened = SnapshotSource(database_url, cache)
    yield opened
    opened.close()


def fill(database: Database) -> tuple[TenantId, str]:
    with database.transaction() as conn:
        tenant_id = ensure_tenant(conn, CLOCK, "acme", "Acme")[0].id
        create_meter(
            conn,
            CLOCK,
            tenant_id,
            slug="tokens",
            name="Tokens",
            event_type="llm",
            aggregation="sum",
            value="usage.tokens",
        )
    return tenant_id, do(database, insert_api_key, CLOCK, tenant_id, "k")


def test_a_snapshot_holds_all_meters_and_live_keys(
    database: Database, source: SnapshotSource, cache: Path
) -> None:
    tenant_id, key = fill(database)
    snapshot = source.load()
    with database.transaction() as conn:
        assert list(snapshot.meters) == list_meters(conn, tenant_id)
    assert snapshot.version == 1
    principal = snapshot.api_keys[hash_api_key(key)]
    assert principal.tenant_id == tenant_id
    assert principal.scopes == {"events:write"}
    assert read_snapshot(cache) == snapshot
    assert source.last_error is None


def test_a_refresh_sees_each_kind_of_change_and_nothing_else(
    database: Database, source: SnapshotSource
) -> None:
    tenant_id, key = fill(database)
    first = source.load()
    assert source.refresh() is first

    do(database, insert_api_key, CLOCK, tenant_id, "second")
    assert len(source.refresh().api_keys) == 2

    principal = first.api_keys[hash_api_key(key)]
    do(database, revoke_api_key, CLOCK, tenant_id, principal.key_id)
    assert hash_api_key(key) not in source.refresh().api_keys

    do(database, insert_api_key, CLOCK, tenant_id, "third")
    with database.transaction() as conn:
        (other_id,) = (key.id for key in list_api_keys(conn, tenant_id) if key.name == "third")
    do(database, set_api_key_limits, CLOCK, tenant_id, other_id, RateLimits(events=Rate(1, 2)))
    by_id = {key.key_id: key for key in source.refresh().api_keys.values()}
    assert by_id[other_id].limits == RateLimits(events=Rate(1, 2))
    with database.transaction() as conn:
        set_tenant_limits(conn, CLOCK, tenant_id, RateLimits(bytes=Rate(3, 4)))
    kept = source.refresh().api_keys.values()
    assert {key.tenant_limits for key in kept} == {RateLimits(bytes=Rate(3, 4))}
    do(database, rotate_api_key, CLOCK, tenant_id, other_id, CLOCK.now())
    by_id = {key.key_id: key for key in source.refresh().api_keys.values()}
    assert by_id[other_id].expires_at == CLOCK.now()
    assert len(by_id) == 3

    with database.transaction() as conn:
        update_meter(conn, CLOCK, tenant_id, first.meters[0].id, unit="tokens")
    assert source.refresh().meters[0].unit == "tokens"

    with database.transaction() as conn:
        archive_meter(conn, CLOCK, tenant_id, first.meters[0].id)
    assert source.refresh().meters[0].archived

    with database.transaction() as conn:
        create_meter(
            conn,
            CLOCK,
            tenant_id,
            slug="requests",
            name="Requests",
            event_type="llm",
            aggregation="count",
        )
    assert source.refresh().version == 2


def test_a_snapshot_on_disk_replaces_postgres_while_it_is_down(cache: Path) -> None:
    write_snapshot(cache, SNAPSHOT)
    source = SnapshotSource(NOWHERE, cache)
    assert source.load() == SNAPSHOT
    assert isinstance(source.last_error, DependencyDownError)
    assert source.refresh() == SNAPSHOT
    source.close()


def test_without_postgres_and_without_a_file_there_is_nothing_to_run_on(cache: Path) -> None:
    source = SnapshotSource(NOWHERE, cache)
    with pytest.raises(DependencyDownError, match=r"127\.0\.0\.1:1.*no catalog snapshot was kept"):
        source.load()
    with pytest.raises(DependencyDownError):
        source.refresh()
    source.close()


def test_a_killed_postgres_is_noticed_survived_and_found_again(
    fresh_stack: LocalStack, cache: Path
) -> None:
    endpoints = install(fresh_stack.endpoints())
    with Database(endpoints.postgres) as database:
        tenant_id, _ = fill(database)
        source = SnapshotSource(endpoints.postgres, cache)
        before = source.load()
        fresh_stack.kill("postgres")
        assert source.refresh() is before
        assert isinstance(source.last_error, DependencyDownError)
        fresh_stack.start_part("postgres")
        do(database, insert_api_key, CLOCK, tenant_id, "second")
        assert len(source.refresh().api_keys) == 2
        assert source.last_error is None
        source.close()


def test_a_disk_that_refuses_stops_the_start_but_not_a_refresh(
    database: Database, source: SnapshotSource, cache: Path
) -> None:
    tenant_id, _ = fill(database)
    cache.mkdir(parents=True)
    with pytest.raises(InternalError, match="cannot be written"):
        source.load()
    do(database, insert_api_key, CLOCK, tenant_id, "second")
    assert len(source.refresh().api_keys) == 2
    assert isinstance(source.last_error, InternalError)
    cache.rmdir()
    source.refresh()
    assert source.last_error is None
    assert len(read_snapshot(cache).api_keys) == 2


def _cut(text: str) -> str:
    return text[:-20]


def _flip(text: str) -> str:
    return text.replace("m-1", "m-9")


def _later_format(text: str) -> str:
    document: dict[str, Any] = json.loads(text)
    return json.dumps(document | {"format": 4})


def _empty(_: str) -> str:
    return ""


@pytest.mark.parametrize("damage", [_cut, _flip, _later_format, _empty])
def test_a_damaged_file_is_refused_and_the_way_out_is_named(
    cache: Path, damage: Callable[[str], str]
) -> None:
    write_snapshot(cache, SNAPSHOT)
    assert read_snapshot(cache) == SNAPSHOT
    cache.write_text(damage(cache.read_text()))
    with pytest.raises(ValidationError, match="delete it"):
        read_snapshot(cache)
    source = SnapshotSource(NOWHERE, cache)
    with pytest.raises(DependencyDownError, match="delete it"):
        source.load()
    source.close()


def test_a_damaged_file_is_replaced_when_postgres_answers(
    database: Database, source: SnapshotSource, cache: Path
) -> None:
    fill(database)
    cache.parent.mkdir()
    cache.write_text("garbage")
    assert source.load() == read_snapshot(cache)


def test_a_write_that_fails_leaves_the_old_file_and_no_other(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_snapshot(cache, SNAPSHOT)

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("catalog.snapshot_file.os.fsync", full_disk)
    with pytest.raises(InternalError, match="No space left"):
        write_snapshot(cache, CatalogSnapshot(0, ()))
    assert read_snapshot(cache) == SNAPSHOT
    assert list(cache.parent.iterdir()) == [cache]


@pytest.mark.parametrize(
    ("version", "meters"), [(2, (meter(1),)), (1, (meter(2),)), (0, (meter(1),))]
)
def test_a_snapshot_with_a_gap_is_none(version: int, meters: tuple[MeterDefinition, ...]) -> None:
    with pytest.raises(InternalError, match="without a gap"):
        CatalogSnapshot(version, meters)
