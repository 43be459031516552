"""What comes by itself: starts, ends of trials, pauses, grace periods and contracts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

import sql
from core.acting import SYSTEM, Acting
from core.clock import Clock
from core.ids import TenantId, format_id
from db.postgres import Database
from identity.sandboxes import clock_of
from subscriptions.life.operate import bring_up_to_date
from subscriptions.life.subscription import find_subscription

BLOCK: Final = 200
"""Subscriptions that are moved in one transaction."""


def advance(
    db: Database,
    clock: Clock,
    tenant_id: TenantId,
    as_of: datetime,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Bring all subscriptions of a tenant up to `as_of`; how many there were something for.

    Several processes may do so at a time: each takes what no other one has. What a process that
    died had not committed is still to be done, and done by the next. `progress` takes how many
    came on.
    """
    moved = 0
    while True:
        with db.transaction(Acting(tenant_id, SYSTEM)) as conn:
            rows = conn.execute(
                sql.load("postgres/queries/select_steps_due"),
                {"tenant_id": tenant_id, "as_of": as_of, "limit": BLOCK},
            ).fetchall()
            own = clock_of(conn, clock, tenant_id)
            for row in rows:
                known = find_subscription(conn, tenant_id, format_id("sub", row["id"]))
                bring_up_to_date(conn, own, known, as_of)
        moved += len(rows)
        progress(len(rows))
        if len(rows) < BLOCK:
            return moved
