"""How fast a key and a tenant may send, as it is stored: null is the server's default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sql
from core.clock import Clock
from core.errors import NotFoundError
from core.ids import TenantId, format_id
from core.rate_limits import Rate, RateLimits
from db.outbox import Change, append
from db.postgres import Connection


def limits_of_row(row: Mapping[str, Any], prefix: str = "") -> RateLimits:
    """The limits in the columns of a key or a tenant; `prefix` stands before their names."""
    return RateLimits(_rate(row, f"{prefix}events"), _rate(row, f"{prefix}bytes"))


def set_tenant_limits(
    conn: Connection, clock: Clock, tenant_id: TenantId, limits: RateLimits
) -> None:
    """Replace the limits that all keys of a tenant share. Raises `NotFoundError`."""
    if tenant_limits(conn, tenant_id) == limits:
        return
    found = conn.execute(
        sql.load("postgres/queries/limit_tenant"), {"tenant_id": tenant_id, **columns_of(limits)}
    ).fetchone()
    if found is None:
        raise NotFoundError(f"tenant: there is none with the id {tenant_id}")
    name = format_id("ten", tenant_id)
    append(conn, clock, tenant_id, Change("tenant.limited", name, {"limits": limits.as_document()}))


def tenant_limits(conn: Connection, tenant_id: TenantId) -> RateLimits:
    """The limits that all keys of a tenant share. Raises `NotFoundError`."""
    row = conn.execute(
        sql.load("postgres/queries/select_tenant_limits"), {"tenant_id": tenant_id}
    ).fetchone()
    if row is None:
        raise NotFoundError(f"tenant: there is none with the id {tenant_id}")
    return limits_of_row(row)


def columns_of(limits: RateLimits) -> dict[str, int | None]:
    """The same as values of the columns."""
    return {
        "events_per_second": limits.events.per_second if limits.events else None,
        "events_burst": limits.events.burst if limits.events else None,
        "bytes_per_second": limits.bytes.per_second if limits.bytes else None,
        "bytes_burst": limits.bytes.burst if limits.bytes else None,
    }


def _rate(row: Mapping[str, Any], name: str) -> Rate | None:
    per_second = row[f"{name}_per_second"]
    return None if per_second is None else Rate(per_second, row[f"{name}_burst"])
