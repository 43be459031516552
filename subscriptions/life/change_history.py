"""What became of a subscription: who changed what, when, and how it stood before and after."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sql
from core.ids import SubscriptionId, TenantId
from db.postgres import Connection


@dataclass(frozen=True, slots=True)
class SubscriptionChange:
    """One change; `revision` is the subscription's after it."""

    revision: int
    change: str
    before: dict[str, Any] | None
    after: dict[str, Any]
    actor: str
    correlation_id: str
    effective_at: datetime
    created_at: datetime

    def as_resource(self) -> dict[str, Any]:
        """The form that API and CLI show."""
        return {
            "revision": self.revision,
            "change": self.change,
            "before": self.before,
            "after": self.after,
            "actor": self.actor,
            "correlation_id": self.correlation_id,
            "effective_at": self.effective_at.isoformat(),
            "created_at": self.created_at.isoformat(),
        }


def changes_of(
    conn: Connection,
    tenant_id: TenantId,
    subscription_id: SubscriptionId,
    *,
    after: int = 0,
    limit: int = 100,
) -> list[SubscriptionChange]:
    """At most `limit` changes of a subscription behind revision `after`, in their order."""
    rows = conn.execute(
        sql.load("postgres/queries/select_subscription_changes"),
        {
            "tenant_id": tenant_id,
            "subscription_id": subscription_id,
            "after": after,
            "limit": limit,
        },
    )
    return [SubscriptionChange(**row) for row in rows]
