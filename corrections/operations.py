"""Operations as they are kept: what each replaces, by what, and how far it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from psycopg.types.json import Jsonb

import sql
from core.clock import Clock
from core.errors import ConflictError, NotFoundError, ValidationError
from core.ids import TenantId, format_id, new_uuid
from core.period import Period
from db.outbox import Change, append
from db.postgres import Connection
from usage.cut import Cut
from usage.event_history import Span

State = Literal["applying", "applied", "reverting", "reverted"]

NAME_CHARACTERS_MAX: Final = 128


@dataclass(frozen=True, slots=True)
class Operation:
    """One correction. `voided_events` is None until all of them are voided."""

    id: UUID
    tenant_id: TenantId
    name: str
    state: State
    spans: tuple[Span, ...]
    cut: Cut
    file_sha256: str
    file_events: int
    voided_events: int | None
    created_at: datetime
    applied_at: datetime | None
    reverted_at: datetime | None

    @property
    def source(self) -> str:
        """The CloudEvents source of the events that it posts; line n of the file has the id n."""
        return f"tollbook.correction/{self.id.hex}"

    @property
    def revert_source(self) -> str:
        """The source of the old events, posted again; their ids are their old positions."""
        return f"{self.source}/revert"

    def as_resource(self) -> dict[str, Any]:
        """The form that is shown."""
        return {
            "name": self.name,
            "state": self.state,
            "spans": _as_json(self.spans),
            "file_sha256": self.file_sha256,
            "file_events": self.file_events,
            "voided_events": self.voided_events,
            "created_at": self.created_at.isoformat(),
            "applied_at": self.applied_at and self.applied_at.isoformat(),
            "reverted_at": self.reverted_at and self.reverted_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """What an operation is to do: what is replaced, by which file."""

    name: str
    spans: tuple[Span, ...]
    file_sha256: str
    file_events: int


def find_operation(conn: Connection, tenant_id: TenantId, name: str) -> Operation | None:
    """The operation of that name, or None."""
    row = conn.execute(
        sql.load("postgres/queries/select_correction"), {"tenant_id": tenant_id, "name": name}
    ).fetchone()
    return None if row is None else _operation(row)


def list_operations(conn: Connection, tenant_id: TenantId) -> list[Operation]:
    """All operations of a tenant, oldest first."""
    rows = conn.execute(sql.load("postgres/queries/select_corrections"), {"tenant_id": tenant_id})
    return [_operation(row) for row in rows]


def begin_operation(
    conn: Connection, clock: Clock, tenant_id: TenantId, plan: Plan, cut: Cut
) -> Operation:
    """Record an operation before it does anything, or find it where it was begun already.

    Raises `ConflictError` where the name stands for something else, or another operation is under
    way on some of the same events; `ValidationError` for a name that is none.
    """
    if not 1 <= len(plan.name) <= NAME_CHARACTERS_MAX:
        raise ValidationError(
            f"name: give the correction 1 to {NAME_CHARACTERS_MAX} characters", field="name"
        )
    conn.execute(sql.load("postgres/queries/lock_corrections"), {"tenant_id": tenant_id})
    known = find_operation(conn, tenant_id, plan.name)
    if known is not None:
        return same_operation(known, plan)
    for other in list_operations(conn, tenant_id):
        if other.state in {"applying", "reverting"} and _meet(other.spans, plan.spans):
            raise ConflictError(
                f"name: the correction {other.name!r} of some of these events is not finished:"
                " run its command again first",
                field="name",
            )
    periods = [span.period for span in plan.spans]
    conn.execute(
        sql.load("postgres/queries/insert_correction"),
        {
            "id": new_uuid(clock),
            "tenant_id": tenant_id,
            "name": plan.name,
            "spans": Jsonb(_as_json(plan.spans)),
            "period_start": min(period.start for period in periods),
            "period_end": max(period.end for period in periods),
            "cut": Jsonb(cut.offsets),
            "file_sha256": plan.file_sha256,
            "file_events": plan.file_events,
            "now": clock.now(),
        },
    )
    return _told(conn, clock, tenant_id, plan.name)


def same_operation(known: Operation, plan: Plan) -> Operation:
    """`known`, if it is what `plan` asks for. Raises `ConflictError`."""
    if known.state not in {"applying", "applied"}:
        raise ConflictError(
            f"name: the correction {known.name!r} was reverted; take a new name", field="name"
        )
    facts = {
        "file": (known.file_sha256, plan.file_sha256),
        "subjects or period": (_as_json(known.spans), _as_json(plan.spans)),
    }
    for what, (before, now) in facts.items():
        if before != now:
            raise ConflictError(
                f"name: the correction {known.name!r} exists with another {what}; take a new name",
                field="name",
            )
    return known


def begin_revert(conn: Connection, clock: Clock, tenant_id: TenantId, name: str) -> Operation:
    """Record that an operation is being reverted, or find it where that was begun already.

    Raises `NotFoundError`; `ConflictError` where it was not applied to its end, or later ones
    build on it.
    """
    conn.execute(sql.load("postgres/queries/lock_corrections"), {"tenant_id": tenant_id})
    known = find_operation(conn, tenant_id, name)
    if known is None:
        raise NotFoundError(f"correction: there is none called {name!r}", name=name)
    if known.state == "applying":
        raise ConflictError(
            f"name: the correction {name!r} is not finished: run its `apply` again first",
            field="name",
        )
    if known.state != "applied":
        return known
    later = [
        other.name
        for other in list_operations(conn, tenant_id)
        if other.created_at > known.created_at
        and other.state != "reverted"
        and _meet(other.spans, known.spans)
    ]
    if later:
        raise ConflictError(
            f"name: {', '.join(later[:3])} corrected some of the same events later: revert that"
            " first",
            field="name",
        )
    return advance(conn, clock, known, "reverting")


def advance(
    conn: Connection,
    clock: Clock,
    operation: Operation,
    state: State,
    voided_events: int | None = None,
) -> Operation:
    """Record how far an operation is."""
    conn.execute(
        sql.load("postgres/queries/advance_correction"),
        {
            "tenant_id": operation.tenant_id,
            "id": operation.id,
            "state": state,
            "voided_events": voided_events,
            "now": clock.now(),
        },
    )
    return _told(conn, clock, operation.tenant_id, operation.name)


def _told(conn: Connection, clock: Clock, tenant_id: TenantId, name: str) -> Operation:
    """The operation as it is now, after its state was written down."""
    found = find_operation(conn, tenant_id, name)
    assert found is not None
    facts = {word: value for word, value in found.as_resource().items() if word != "spans"}
    operation_id = format_id("cor", found.id)
    append(conn, clock, tenant_id, Change(f"correction.{found.state}", operation_id, facts))
    return found


def _operation(row: Mapping[str, Any]) -> Operation:
    fields = {name: row[name] for name in Operation.__slots__}
    spans = tuple(
        Span(
            tuple(span["subjects"]),
            Period(datetime.fromisoformat(span["start"]), datetime.fromisoformat(span["end"])),
        )
        for span in row["spans"]
    )
    return Operation(**fields | {"spans": spans, "cut": Cut(row["cut"])})


def _as_json(spans: Iterable[Span]) -> list[dict[str, Any]]:
    return [
        {
            "subjects": list(span.subjects),
            "start": span.period.start.isoformat(),
            "end": span.period.end.isoformat(),
        }
        for span in spans
    ]


def _meet(some: Sequence[Span], others: Sequence[Span]) -> bool:
    """Whether an event can lie in both."""
    return any(
        one.period.overlaps(other.period) and not set(one.subjects).isdisjoint(other.subjects)
        for one in some
        for other in others
    )
