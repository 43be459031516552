"""Who owns several tenants: only such tenants may invoice for each other."""

from __future__ import annotations

from typing import Any, Final

import sql
from core.clock import Clock
from core.errors import BusinessLogicError, ValidationError
from core.ids import TenantId, format_id
from db.outbox import Change, append
from db.postgres import Connection

_LENGTH_MAX: Final = 100


def owner_of(conn: Connection, tenant_id: TenantId) -> str | None:
    """Who owns the tenant that the transaction acts for; None: nobody is named."""
    owner: str | None = _read(conn, tenant_id)["owner"]
    return owner


def _read(conn: Connection, tenant_id: TenantId) -> dict[str, Any]:
    values = {"id": tenant_id}
    row = conn.execute(sql.load("postgres/queries/select_tenant_owner"), values).fetchone()
    return {"owner": None, "kind": None} if row is None else row


def set_owner(conn: Connection, clock: Clock, tenant_id: TenantId, owner: str | None) -> None:
    """Say who owns the tenant that the transaction acts for; for operators.

    Raises `ValidationError` for a name that cannot be printed, `BusinessLogicError` for a sandbox:
    nothing that is tried out comes onto an invoice.
    """
    if owner is not None and not (
        0 < len(owner) <= _LENGTH_MAX and owner.isprintable() and owner == owner.strip()
    ):
        raise ValidationError(
            f"owner: give 1 to {_LENGTH_MAX} printable characters, not {owner[:50]!r}",
            field="owner",
        )
    known = _read(conn, tenant_id)
    if known["kind"] == "sandbox":
        raise BusinessLogicError(
            "owner: a sandbox has none, for no other tenant invoices what is tried out in it",
            field="owner",
        )
    if owner == known["owner"]:
        return
    conn.execute(sql.load("postgres/queries/set_tenant_owner"), {"id": tenant_id, "owner": owner})
    told = {"id": format_id("ten", tenant_id), "owner": owner}
    append(conn, clock, tenant_id, Change("tenant.owned", told["id"] or "", told))
