"""Who owns several tenants: only such tenants may invoice for each other."""

from __future__ import annotations

from typing import Final

import sql
from core.clock import Clock
from core.errors import ValidationError
from core.ids import TenantId, format_id
from db.outbox import Change, append
from db.postgres import Connection

_LENGTH_MAX: Final = 100


def owner_of(conn: Connection, tenant_id: TenantId) -> str | None:
    """Who owns the tenant that the transaction acts for; None: nobody is named."""
    row = conn.execute(
        sql.load("postgres/queries/select_tenant_owner"), {"id": tenant_id}
    ).fetchone()
    return None if row is None else row["owner"]


def set_owner(conn: Connection, clock: Clock, tenant_id: TenantId, owner: str | None) -> None:
    """Say who owns the tenant that the transaction acts for; for operators.

    Raises `ValidationError` for a name that cannot be printed.
    """
    if owner is not None and not (
        0 < len(owner) <= _LENGTH_MAX and owner.isprintable() and owner == owner.strip()
    ):
        raise ValidationError(
            f"owner: give 1 to {_LENGTH_MAX} printable characters, not {owner[:50]!r}",
            field="owner",
        )
    if owner == owner_of(conn, tenant_id):
        return
    conn.execute(sql.load("postgres/queries/set_tenant_owner"), {"id": tenant_id, "owner": owner})
    told = {"id": format_id("ten", tenant_id), "owner": owner}
    append(conn, clock, tenant_id, Change("tenant.owned", told["id"] or "", told))
