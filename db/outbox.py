"""The outbox: what changed, written in the transaction that changes it, read in commit order.

A tenant's events have positions 1, 2, 3, … without a gap, given at commit: whoever has read up to
one position has missed nothing before it, and sees by the number if something was pruned.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

import sql
from core.clock import Clock
from core.errors import BusinessLogicError, ConflictError, ValidationError
from core.ids import TenantId, format_id, new_uuid
from db.postgres import Connection, Database

KEEP_DEFAULT: Final = timedelta(days=90)
"""How long an event can be read, unless the operator says otherwise."""

KEEP_MAX: Final = timedelta(days=400)
"""Stretches are taken in turns: what is kept longer would share one with what comes."""


_SLOTS: Final = 16
_SHORT_WAIT: Final = "SET LOCAL lock_timeout = '200ms'"  # writers queue behind who waits
_SUBJECT: Final = re.compile(r"[a-z_]{1,64}(\.[a-z_]{1,64}){1,4}")


class CursorExpiredError(BusinessLogicError):
    """What comes next was pruned: read the state itself, then go on from now."""

    code = "cursor_expired"


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened: `subject` says what, `resource_id` to what, as shown outside.

    `payload` is the resource as it is now, in form `version`.
    """

    subject: str
    resource_id: str
    payload: Mapping[str, Any]
    version: int = 1


@dataclass(frozen=True, slots=True)
class BillingEvent:
    """A change at its place in the tenant's order."""

    id: UUID
    position: int
    subject: str
    version: int
    resource_id: str
    payload: dict[str, Any]
    actor: str
    correlation_id: str
    causation_id: str
    created_at: datetime

    def as_resource(self) -> dict[str, Any]:
        """The form that API and CLI show."""
        return {
            "id": format_id("evt", self.id),
            "position": self.position,
            "subject": self.subject,
            "version": self.version,
            "resource_id": self.resource_id,
            "payload": self.payload,
            "actor": self.actor,
            "correlation_id": self.correlation_id,
            "causation_id": self.causation_id,
            "created_at": self.created_at.isoformat(),
        }


def append(conn: Connection, clock: Clock, tenant_id: TenantId, *changes: Change) -> None:
    """Write down what this transaction changes, in this order.

    Who did it and why is what the transaction acts for (`db.postgres.act`). When is the machine's
    time, also in a sandbox: events are kept for so long, and pruned by age.
    """
    if not changes:
        return
    conn.execute(
        sql.load("postgres/queries/insert_billing_events"),
        {
            "tenant_id": tenant_id,
            "now": clock.machine().now(),
            "ids": [new_uuid(clock) for _ in changes],
            "subjects": [change.subject for change in changes],
            "versions": [change.version for change in changes],
            "resource_ids": [change.resource_id for change in changes],
            "payloads": [_payload(change) for change in changes],
        },
    )


def _payload(change: Change) -> Jsonb:
    return Jsonb(dict(change.payload))


def last_position(conn: Connection, tenant_id: TenantId) -> int:
    """Of the tenant's last change, 0 for none: while it is the same, nothing has changed."""
    return _bounds(conn, tenant_id)[1]


@dataclass(frozen=True, slots=True)
class Changes:
    """Events in commit order. Whoever goes on after `reached` misses nothing that was asked for."""

    events: list[BillingEvent]
    reached: int


def changes_after(
    conn: Connection,
    tenant_id: TenantId,
    after: int,
    limit: int,
    subjects: Sequence[str] | None = None,
) -> Changes:
    """At most `limit` events at positions over `after`, in commit order, all unless by subject.

    For a transaction whose statements see what is committed before each of them. Raises
    `CursorExpiredError` when some that came right after `after` were pruned (0 begins with
    whatever there is), `ValidationError` for a subject that is none.
    """
    for subject in subjects or ():
        if not _SUBJECT.fullmatch(subject):
            raise ValidationError(
                f"subject: {subject[:50]!r} is none; write meter.created", field="subject"
            )
    last = _bounds(conn, tenant_id)[1]
    rows = conn.execute(
        sql.load("postgres/queries/select_changes"),
        {
            "tenant_id": tenant_id,
            "after": after,
            "last": last,
            "limit": limit,
            "subjects": None if subjects is None else list(subjects),
        },
    )
    found = [BillingEvent(**row) for row in rows]
    # Asked last: what was pruned while the events were read is not taken for read.
    pruned = _bounds(conn, tenant_id)[0]
    if 0 < after < pruned:
        raise CursorExpiredError(
            f"cursor: the events up to {pruned} were pruned, and {after} is older; read the"
            " resources themselves, then go on without a cursor",
            field="cursor",
        )
    reached = found[-1].position if len(found) == limit else max(after, last)
    return Changes([event for event in found if event.position > pruned], max(reached, pruned))


def prune(db: Database, before: datetime) -> list[int]:
    """Empty every stretch whose events are all older than `before`; the numbers of those emptied.

    For operators. A stretch is four weeks, so events live up to four weeks longer. One that is
    being read right now is left for the next time.
    """
    emptied = []
    for slot in range(_SLOTS):
        with suppress(ConflictError), db.transaction() as conn:
            conn.execute(_SHORT_WAIT)
            values = {"slot": slot, "before": before}
            row = conn.execute(sql.load("postgres/queries/prune_billing_events"), values).fetchone()
            if row is not None and row["emptied"]:
                emptied.append(slot)
    return emptied


def _bounds(conn: Connection, tenant_id: TenantId) -> tuple[int, int]:
    """Up to which position the tenant's events are pruned, and the last of all."""
    row = conn.execute(
        sql.load("postgres/queries/select_change_bounds"), {"tenant_id": tenant_id}
    ).fetchone()
    return (0, 0) if row is None else (row["pruned_position"], row["last_position"])


def check_keep(keep: timedelta) -> timedelta:
    """`keep`, if so much can be kept. Raises `ValidationError`."""
    if not timedelta(0) < keep <= KEEP_MAX:
        raise ValidationError(
            f"keep: give 1 to {KEEP_MAX.days} days, not {keep.days}", field="keep"
        )
    return keep
