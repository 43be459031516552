"""Tenants: the platforms whose usage is metered and billed, each closed to the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

import sql
from core.clock import Clock
from core.errors import NotFoundError
from core.ids import TenantId, new_uuid
from db.postgres import Connection


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant; `slug` is its name in files and commands, `name` the one for people."""

    id: TenantId
    slug: str
    name: str


def find_tenant(conn: Connection, slug: str) -> Tenant:
    """The tenant called `slug`. Raises `NotFoundError`."""
    row = conn.execute(sql.load("postgres/queries/select_tenant"), {"slug": slug}).fetchone()
    if row is None:
        raise NotFoundError(f"tenant: there is none called {slug!r}", slug=slug)
    return Tenant(**row)


def list_tenants(conn: Connection) -> list[Tenant]:
    """All tenants, by slug."""
    return [Tenant(**row) for row in conn.execute(sql.load("postgres/queries/select_tenants"))]


def ensure_tenant(
    conn: Connection,
    clock: Clock,
    slug: str,
    name: str,
    metadata: Mapping[str, Any] | None = None,
) -> tuple[Tenant, bool]:
    """The tenant called `slug`, created if missing; and whether it was created.

    An existing tenant takes the new name, and the given keys of `metadata`. Its row stays locked
    until commit.
    """
    row = conn.execute(
        sql.load("postgres/queries/upsert_tenant"),
        {
            "id": new_uuid(clock),
            "slug": slug,
            "name": name,
            "now": clock.now(),
            "metadata": Jsonb(dict(metadata or {})),
        },
    ).fetchone()
    assert row is not None
    created = row.pop("created")
    return Tenant(**row), created
