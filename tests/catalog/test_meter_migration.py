"""Meters that were stored before they had more words say the same afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import psycopg
import pytest

from catalog.meters import list_meters
from core.ids import TenantId
from db.migrations import discover
from db.postgres import Database
from infra.local.stack import LocalStack

BEFORE = 5
TENANT = TenantId(UUID(int=1))


@pytest.fixture
def old_database(stack: LocalStack) -> Iterator[str]:
    server = stack.endpoints().postgres
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute("CREATE DATABASE old_meters")
        yield urlunsplit(urlsplit(server)._replace(path="/old_meters"))
        conn.execute("DROP DATABASE old_meters WITH (FORCE)")


def test_old_meters_keep_their_meaning(old_database: str) -> None:
    migrations = discover("postgres")
    with psycopg.connect(old_database) as conn:
        for migration in migrations[:BEFORE]:
            conn.execute(migration.text.encode())
        conn.execute(
            """INSERT INTO identity.tenants (id, slug, name, created_at)
            VALUES (%s, 'acme', 'Acme', now())""",
            (TENANT,),
        )
        for number, (aggregation, path) in enumerate(
            [("count", None), ("sum", ["usage", "tokens"]), ("sum", ["größe", 'in "put"', "n"])],
            start=1,
        ):
            conn.execute(
                """INSERT INTO catalog.meters (id, tenant_id, slug, name, event_type, aggregation,
                    value_path, catalog_version, valid_from, recorded_from)
                VALUES (%s, %s, %s, 'Name', 'llm', %s, %s, %s, now(), now())""",
                (UUID(int=number), TENANT, f"m-{number}", aggregation, path, number),
            )
        conn.execute(migrations[BEFORE].text.encode())
    with Database(old_database) as database, database.transaction() as conn:
        meters = list_meters(conn, TENANT)
    assert [meter.value for meter in meters] == [None, "usage.tokens", '"größe"."in \\"put\\"".n']
    assert {meter.event_types for meter in meters} == {("llm",)}
    assert [meter.aggregation for meter in meters] == ["count", "sum", "sum"]
