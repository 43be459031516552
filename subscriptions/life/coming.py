"""What comes by itself next: whoever moves a clock on stops there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sql
from core.ids import TenantId
from db.postgres import Connection


@dataclass(frozen=True, slots=True)
class Coming:
    """Of one tenant: when something comes next, None for never, and what is due before that."""

    at: datetime | None
    """The next step of a subscription, or the next end of a period."""
    due: bool
    """Whether periods that have ended are still to be invoiced."""


def coming_after(conn: Connection, tenant_id: TenantId, after: datetime) -> Coming:
    """What comes behind an instant, and what is due at it."""
    [row] = conn.execute(
        sql.load("postgres/queries/select_next_instants"), {"tenant_id": tenant_id, "after": after}
    )
    coming = [each for each in (row["step_at"], row["period_end"]) if each is not None]
    return Coming(min(coming, default=None), row["due"])
