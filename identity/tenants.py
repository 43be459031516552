"""Tenants: the platforms whose usage is metered and billed, each closed to the others."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from psycopg.types.json import Jsonb

import sql
from core.acting import SYSTEM, Acting
from core.clock import Clock
from core.errors import NotFoundError, ValidationError
from core.ids import TenantId, format_id, new_uuid, parse_id
from db.outbox import Change, append
from db.postgres import Connection, act

Kind = Literal["production", "sandbox"]


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant; `slug` is its name in files and commands, `name` the one for people.

    Its kind never changes; a sandbox has a time of its own (`identity.sandboxes`).
    """

    id: TenantId
    slug: str
    name: str
    kind: Kind = "production"


def find_tenant(conn: Connection, slug: str) -> Tenant:
    """The tenant called `slug`, or with that id (`ten_…`). Raises `NotFoundError`."""
    tenant_id = None
    if slug.startswith("ten_"):
        with suppress(ValidationError):
            tenant_id = parse_id("ten", slug)
    row = None
    if slug.isprintable():
        row = conn.execute(
            sql.load("postgres/queries/select_tenant"), {"slug": slug, "id": tenant_id}
        ).fetchone()
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
    actor: str = SYSTEM,
    kind: Kind = "production",
) -> tuple[Tenant, bool]:
    """The tenant called `slug`, created if missing; and whether it was created.

    An existing tenant takes the new name, and the given keys of `metadata`, and keeps its kind. Its
    row stays locked until commit, and the transaction acts for it from here on, as `actor`.
    """
    before = conn.execute(sql.load("postgres/queries/lock_tenant"), {"slug": slug}).fetchone()
    tenant_id = new_uuid(clock)
    row = conn.execute(
        sql.load("postgres/queries/upsert_tenant"),
        {
            "id": tenant_id,
            "slug": slug,
            "name": name,
            "kind": kind,
            "now": clock.now(),
            "metadata": Jsonb(dict(metadata or {})),
        },
    ).fetchone()
    assert row is not None
    tenant = Tenant(row["id"], row["slug"], row["name"], row["kind"])
    created = tenant.id == tenant_id
    act(conn, Acting(tenant.id, actor))
    if row != before:
        shown = {**row, "id": format_id("ten", tenant.id)}
        change = Change("tenant.created" if created else "tenant.updated", shown["id"], shown)
        append(conn, clock, tenant.id, change)
    return tenant, created
