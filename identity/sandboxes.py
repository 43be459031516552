"""Whose time it is: that of a sandbox stands still until it is moved on, all others have real time.

Whoever opens a transaction for a tenant asks `clock_of` in it, and gives that clock to all that is
done there. What belongs to the machine keeps its time: API keys and tokens, idempotency keys,
retention, logs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sql
from core.acting import OPERATOR
from core.clock import Clock, SandboxClock
from core.errors import BusinessLogicError, ConflictError
from core.ids import TenantId, format_id
from db.outbox import Change, append
from db.postgres import Connection
from identity.tenants import Tenant, ensure_tenant


class NotASandboxError(BusinessLogicError):
    """The tenant lives in real time, which nobody moves."""

    code = "not_a_sandbox"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A tenant with a clock of its own: where it began, and where it stands."""

    tenant_id: TenantId
    slug: str
    started_at: datetime
    clock_at: datetime

    def as_resource(self) -> dict[str, Any]:
        """The form that API and CLI show."""
        return {
            "tenant": format_id("ten", self.tenant_id),
            "slug": self.slug,
            "started_at": self.started_at.isoformat(),
            "clock_at": self.clock_at.isoformat(),
        }


def clock_of(conn: Connection, clock: Clock, tenant_id: TenantId) -> Clock:
    """The tenant's clock for this transaction: in a sandbox nobody moves it on before it ends.

    `clock` is the machine's, which every other tenant has.
    """
    [row] = conn.execute(sql.load("postgres/queries/select_clock"), {"tenant_id": tenant_id})
    at = row["at"]
    return clock if at is None else SandboxClock(at, clock.machine())


def create_sandbox(
    conn: Connection, clock: Clock, slug: str, name: str, at: datetime
) -> tuple[Tenant, Sandbox]:
    """A new tenant whose time stands at `at`; the transaction acts for it from here on.

    Raises `ConflictError` where the slug is taken: no tenant becomes a sandbox.
    """
    tenant, created = ensure_tenant(conn, clock, slug, name, actor=OPERATOR, kind="sandbox")
    if not created:
        raise ConflictError(
            f"tenant: {slug!r} exists already, for {tenant.kind}; choose another slug", field="slug"
        )
    values = {"tenant_id": tenant.id, "at": at}
    conn.execute(sql.load("postgres/queries/insert_sandbox"), values)
    made = find_sandbox(conn, tenant.id)
    _tell(conn, clock, made, "created")
    return tenant, made


def find_sandbox(conn: Connection, tenant_id: TenantId) -> Sandbox:
    """The tenant's sandbox. Raises `NotASandboxError` for a tenant that lives in real time."""
    values = {"tenant_id": tenant_id}
    row = conn.execute(sql.load("postgres/queries/select_sandbox"), values).fetchone()
    if row is None or row["clock_at"] is None:
        slug = format_id("ten", tenant_id) if row is None else row["slug"]
        raise NotASandboxError(
            f"tenant {slug}: is for production and lives in real time; make one for trying things"
            " out with `tollbook sandbox create`"
        )
    return Sandbox(tenant_id, row["slug"], row["started_at"], row["clock_at"])


def hold_walk(conn: Connection, sandbox: Sandbox) -> None:
    """Be the only one who moves the sandbox's clock, until this transaction ends.

    Raises `ConflictError` where somebody else does.
    """
    values = {"tenant_id": sandbox.tenant_id}
    row = conn.execute(sql.load("postgres/queries/hold_sandbox_walk"), values).fetchone()
    if row is None or not row["held"]:
        raise ConflictError(
            f"sandbox {sandbox.slug}: somebody else moves its clock right now; wait, then ask again"
        )


def move_clock(conn: Connection, clock: Clock, tenant_id: TenantId, to: datetime) -> None:
    """Let the sandbox's time stand at `to`, once nobody writes by the old one; never back.

    Raises `NotASandboxError`.
    """
    before = find_sandbox(conn, tenant_id)
    conn.execute(sql.load("postgres/queries/move_clock"), {"tenant_id": tenant_id, "to": to})
    after = find_sandbox(conn, tenant_id)
    if after != before:
        _tell(conn, clock, after, "advanced")


def _tell(conn: Connection, clock: Clock, sandbox: Sandbox, what: str) -> None:
    shown = sandbox.as_resource()
    append(conn, clock, sandbox.tenant_id, Change(f"sandbox.{what}", shown["tenant"], shown))
