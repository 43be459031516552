"""Holds as they are kept: so much of a feature for so long, and what became of it.

A hold gets one outcome, by whoever comes first: each writes it only where there is none. What
nobody came back for is closed by the next who reserves of the feature, under the counter's lock,
before the others are counted; so a process whose clock is behind cannot commit what was given away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import sql
from core.acting import OPERATOR, Acting
from core.clock import Clock
from core.errors import BusinessLogicError, ConflictError, ValidationError
from core.ids import TenantId, format_id, parse_id
from db.outbox import Change, append
from db.postgres import Connection, Database
from entitlements.errors import HoldClosedError, HoldNotFoundError
from entitlements.facts import quantity_text
from identity.sandboxes import clock_of
from identity.tenants import list_tenants

_BATCH: Final = 1_000

OPEN_MAX: Final = 10_000
"""Open holds of a customer's feature: all of them are added up whenever something is reserved."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A quantity held in `[held_at, expires_at)`; `outcome` None: nothing is written of it yet."""

    id: UUID
    customer_id: UUID
    feature_id: UUID
    feature: str
    quantity: Decimal
    held_at: datetime
    expires_at: datetime
    outcome: str | None
    closed_at: datetime | None
    record_id: UUID | None
    metadata: Mapping[str, str]

    def status(self, at: datetime) -> str:
        """`open`, `committed`, `released` or `expired`."""
        return self.outcome or ("open" if at < self.expires_at else "expired")

    def as_resource(self, at: datetime) -> dict[str, Any]:
        """The form that is shown outside."""
        status = self.status(at)
        closed = self.expires_at if status == "expired" else self.closed_at
        return {
            "id": format_id("hld", self.id),
            "customer": format_id("cus", self.customer_id),
            "feature": self.feature,
            "quantity": quantity_text(self.quantity),
            "status": status,
            "held_at": self.held_at.isoformat(),
            "expires_at": self.expires_at.isoformat(),
            "closed_at": closed and closed.isoformat(),
            "record": self.record_id and format_id("usr", self.record_id),
            "metadata": dict(self.metadata),
        }


def insert_hold(conn: Connection, clock: Clock, row: Mapping[str, Any]) -> Hold:
    """Write a hold down; whoever does has locked the counter and reserved it.

    Raises `BusinessLogicError` where as many are open as may be.
    """
    open_holds = conn.execute(
        sql.load("postgres/queries/count_open_holds"), {**row, "most": OPEN_MAX}
    ).fetchone()
    if open_holds is not None and open_holds["many"] >= OPEN_MAX:
        raise BusinessLogicError(
            f"holds: {OPEN_MAX} are open for this customer and feature; commit or release some",
            field="holds",
        )
    conn.execute(sql.load("postgres/queries/insert_hold"), row)
    made = _find(conn, row["tenant_id"], row["id"])
    assert made is not None
    _tell(conn, clock, row["tenant_id"], "created", [made])
    return made


def find_hold(conn: Connection, tenant_id: TenantId, name: str) -> Hold:
    """The hold with this id. Raises `HoldNotFoundError`."""
    try:
        found = _find(conn, tenant_id, parse_id("hld", name))
    except ValidationError:
        found = None
    if found is None:
        raise HoldNotFoundError(f"hold: there is none called {name!r}")
    return found


def check_open(hold: Hold, at: datetime) -> None:
    """Raise `HoldClosedError` where nothing is held any more at an instant."""
    if hold.status(at) != "open":
        raise _closed(hold, at)


def close_hold(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    hold: Hold,
    at: datetime,
    record_id: UUID | None = None,
) -> Hold:
    """Commit it as a record, or release it. Raises `HoldClosedError` where it is not open then."""
    outcome = "released" if record_id is None else "committed"
    values = {
        "tenant_id": tenant_id, "id": hold.id, "outcome": outcome, "at": at, "record_id": record_id,
    }  # fmt: skip
    row = conn.execute(sql.load("postgres/queries/close_hold"), values).fetchone()
    if row is None:
        raise _closed(find_hold(conn, tenant_id, format_id("hld", hold.id)), at)
    closed = Hold(**row)
    _tell(conn, clock, tenant_id, outcome, [closed])
    return closed


def expire_holds(conn: Connection, clock: Clock, key: Mapping[str, Any], at: datetime) -> None:
    """Close those of a `counter_key` that are over; its counter is locked."""
    rows = conn.execute(sql.load("postgres/queries/expire_holds"), {**key, "at": at})
    _tell(conn, clock, key["tenant_id"], "expired", [Hold(**row) for row in rows])


def prune_holds(db: Database, machine: Clock, before: datetime) -> int:
    """Forget holds that were made before and are closed; how many. For operators, of all tenants.

    Those that are over, by their tenant's clock, are closed first.
    """
    with db.transaction() as conn:
        tenants = [tenant.id for tenant in list_tenants(conn)]
    pruned = 0
    for tenant_id in tenants:
        with suppress(ConflictError):  # somebody is in the way there: the next time
            for gone in _prune_tenant(db, machine, tenant_id, before):
                pruned += gone
    return pruned


def _prune_tenant(
    db: Database, machine: Clock, tenant_id: TenantId, before: datetime
) -> Iterator[int]:
    """How many are gone, batch by batch."""
    acting, closed = Acting(tenant_id, OPERATOR), _BATCH
    while closed == _BATCH:
        with db.transaction(acting) as conn:
            closed = _expire_some(conn, clock_of(conn, machine, tenant_id), tenant_id)
    values, gone = {"tenant_id": tenant_id, "before": before, "limit": _BATCH}, _BATCH
    while gone == _BATCH:
        with db.transaction(acting) as conn:
            gone = conn.execute(sql.load("postgres/queries/delete_closed_holds"), values).rowcount
        yield gone


def _expire_some(conn: Connection, clock: Clock, tenant_id: TenantId) -> int:
    values = {"tenant_id": tenant_id, "at": clock.now(), "limit": _BATCH}
    rows = conn.execute(sql.load("postgres/queries/expire_holds_of_tenant"), values)
    closed = [Hold(**row) for row in rows]
    _tell(conn, clock, tenant_id, "expired", closed)
    return len(closed)


def _find(conn: Connection, tenant_id: TenantId, hold_id: UUID) -> Hold | None:
    values = {"tenant_id": tenant_id, "id": hold_id}
    row = conn.execute(sql.load("postgres/queries/select_hold"), values).fetchone()
    return None if row is None else Hold(**row)


def _closed(hold: Hold, at: datetime) -> HoldClosedError:
    shown = hold.as_resource(at)
    what = {
        "committed": f"was committed as {shown['record']}",
        "released": f"was released at {shown['closed_at']}",
        "expired": f"was over at {shown['closed_at']}; use what is left now by /v1/usage/track",
    }
    return HoldClosedError(
        f"hold: {shown['id']} {what[shown['status']]}",
        status=shown["status"],
        closed_at=shown["closed_at"],
        record=shown["record"],
    )


def _tell(
    conn: Connection, clock: Clock, tenant_id: TenantId, what: str, holds: Iterable[Hold]
) -> None:
    shown = [hold.as_resource(hold.closed_at or hold.held_at) for hold in holds]
    changes = [Change(f"entitlement.hold.{what}", each["id"], each) for each in shown]
    append(conn, clock, tenant_id, *changes)
