"""Whose usage a customer pays for, and when: a subject has at most one customer at any instant.

A link says `[valid_from, valid_to)`. Links are never changed: a link that ends, or moves, is known
no longer, and what stays true of it is a link of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import sql
from core.clock import Clock
from core.errors import ConflictError, NotFoundError, ValidationError
from core.events import TEXT_BYTES_MAX
from core.ids import TenantId, format_id, new_uuid
from core.instants import FIRST, check_instant
from core.texts import check_text
from db.outbox import Change, append
from db.postgres import Connection
from subscriptions.customers.customer import Customer, lock_customers, read_customer, refuse_deleted

SINCE_EVER: Final = FIRST
"""From when an undated subject belongs to its customer: no event is older."""

_TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class SubjectLink:
    """A subject whose usage a customer pays for in `[valid_from, valid_to)`; None: for ever."""

    id: UUID
    subject: str
    valid_from: datetime
    valid_to: datetime | None

    def as_resource(self) -> dict[str, Any]:
        """The form that is shown outside."""
        return {
            "subject": self.subject,
            "valid_from": self.valid_from.isoformat(),
            "valid_to": self.valid_to and self.valid_to.isoformat(),
        }


def link_subject(
    conn: Connection,
    clock: Clock,
    customer: Customer,
    subject: str,
    valid_from: datetime = SINCE_EVER,
    valid_to: datetime | None = None,
    *,
    move: bool = False,
) -> tuple[SubjectLink, bool]:
    """Let the customer pay for the subject's usage in `[valid_from, valid_to)`; whether it is new.

    With `move` it is taken over from others for that time; what they pay for before and after
    stays theirs. Raises `ConflictError` naming both customers when another one pays for a part of
    that time, or this one in other dates, and for a customer that was deleted; `ValidationError`
    for an empty range or a name that no event can have.
    """
    check_subject(subject)
    check_instant(valid_from, "from")
    if valid_to is not None:
        check_instant(valid_to, "to")
        if valid_to <= valid_from:
            raise ValidationError(f"to: {valid_to} is not after {valid_from}", field="to")
    wanted: dict[str, Any] = {
        "tenant_id": customer.tenant_id,
        "customer_id": customer.id,
        "subject": subject,
        "valid_from": valid_from,
        "valid_to": valid_to,
    }
    owners = {row["customer_id"] for row in _overlapping(conn, wanted)} if move else set()
    lock_customers(conn, customer.tenant_id, [*owners, customer.id])
    refuse_deleted(read_customer(conn, customer.tenant_id, format_id("cus", customer.id)))
    now = _lock(conn, clock, customer.tenant_id, subject)
    taken = _overlapping(conn, wanted)
    for link in taken:
        if link["customer_id"] == customer.id or not move:
            if (link["customer_id"], link["valid_from"], link["valid_to"]) == (
                customer.id, valid_from, valid_to,
            ):  # fmt: skip
                return _link(link), False
            raise _refusal(customer, link, move=move)
        if link["customer_id"] not in owners:
            raise ConflictError(f"subject: {subject!r} was linked at the same moment; try again")
    for link in taken:
        after = None if valid_to is None else (valid_to, link["valid_to"])
        _cut(conn, clock, link, now, (link["valid_from"], valid_from), after)
    return _link(_insert(conn, clock, wanted, now)), True


def unlink_subject(
    conn: Connection, clock: Clock, customer: Customer, subject: str, at: datetime
) -> SubjectLink:
    """End the customer's link that holds at `at`; usage from then on belongs to nobody.

    The link as it was known before stays on record; one that begins at `at` never held. The
    customer must be locked. Raises `NotFoundError` when there is none.
    """
    check_subject(subject)
    check_instant(at, "at")
    now = _lock(conn, clock, customer.tenant_id, subject)
    point = {
        "tenant_id": customer.tenant_id,
        "subject": subject,
        "valid_from": at,
        "valid_to": at + _TICK,
    }
    mine = [row for row in _overlapping(conn, point) if row["customer_id"] == customer.id]
    if not mine:
        raise NotFoundError(
            f"subject: {subject!r} does not belong to customer {customer.slug!r} at {at}",
            subject=subject,
        )
    [link] = mine
    _cut(conn, clock, link, now, (link["valid_from"], at))
    return _link(link | {"valid_to": at})


def end_all_links(conn: Connection, clock: Clock, customer: Customer, at: datetime) -> None:
    """End whatever the customer pays for at `at` or later. The customer must be locked."""
    rows = conn.execute(
        sql.load("postgres/queries/select_links_to_end"),
        {"tenant_id": customer.tenant_id, "customer_id": customer.id, "at": at},
    ).fetchall()
    for link in rows:
        now = _lock(conn, clock, customer.tenant_id, link["subject"])
        _cut(conn, clock, link, now, (link["valid_from"], max(at, link["valid_from"])))


def subjects_of(conn: Connection, customer: Customer) -> list[SubjectLink]:
    """Whose usage the customer pays for, as known now, by subject and time."""
    rows = conn.execute(
        sql.load("postgres/queries/select_subjects_of_customer"),
        {"tenant_id": customer.tenant_id, "customer_id": customer.id},
    )
    return [SubjectLink(**row) for row in rows]


def page_of_subjects(
    conn: Connection,
    customer: Customer,
    *,
    after: UUID | None = None,
    limit: int = 100,
    known_at: datetime | None = None,
) -> list[SubjectLink]:
    """At most `limit` links after the one with the id `after`, the oldest first.

    As known at `known_at`; None: as known now.
    """
    rows = conn.execute(
        sql.load("postgres/queries/select_subject_page"),
        {
            "tenant_id": customer.tenant_id,
            "customer_id": customer.id,
            "after": after or UUID(int=0),
            "limit": limit,
            "known_at": known_at,
        },
    )
    return [SubjectLink(**row) for row in rows]


def customer_of(
    conn: Connection, tenant_id: TenantId, subject: str, at: datetime, known_at: datetime | None
) -> UUID | None:
    """Who pays for the subject at `at`, as known at `known_at`; None: as it is known now."""
    row = conn.execute(
        sql.load("postgres/queries/select_customer_of_subject"),
        {"tenant_id": tenant_id, "subject": subject, "at": at, "known_at": known_at},
    ).fetchone()
    return None if row is None else row["customer_id"]


def check_subject(subject: str) -> None:
    """Raise `ValidationError` for a name that no event can have."""
    if not 1 <= len(check_text(subject, "subject").encode()) <= TEXT_BYTES_MAX["subject"]:
        raise ValidationError(
            f"subject: give 1 to {TEXT_BYTES_MAX['subject']} bytes", field="subject"
        )


def _lock(conn: Connection, clock: Clock, tenant_id: TenantId, subject: str) -> datetime:
    """The instant of a change of the subject's links, which nobody else changes until commit.

    Each change has an instant of its own, also where a clock stands still or goes back.
    """
    values = {"tenant_id": tenant_id, "subject": subject}
    conn.execute(sql.load("postgres/queries/lock_subject"), values)
    row = conn.execute(sql.load("postgres/queries/select_subject_instant"), values).fetchone()
    last = None if row is None else row["at"]
    return clock.now() if last is None else max(clock.now(), last + _TICK)


def _overlapping(conn: Connection, wanted: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    return conn.execute(sql.load("postgres/queries/select_overlapping_subjects"), wanted).fetchall()


def _cut(
    conn: Connection,
    clock: Clock,
    link: dict[str, Any],
    now: datetime,
    before: tuple[datetime, datetime],
    after: tuple[datetime, datetime | None] | None = None,
) -> None:
    """Let a link hold no more, but for what of it lies in `before` and `after`."""
    values = {"tenant_id": link["tenant_id"], "id": link["id"], "now": now}
    conn.execute(sql.load("postgres/queries/supersede_subject"), values)
    if before[0] < before[1]:
        _store(conn, clock, link | {"valid_from": before[0], "valid_to": before[1]}, now)
    _tell(conn, clock, link | {"valid_to": max(before)}, "unlinked")
    if after is not None and (after[1] is None or after[0] < after[1]):
        _insert(conn, clock, link | {"valid_from": after[0], "valid_to": after[1]}, now)


def _insert(
    conn: Connection, clock: Clock, link: Mapping[str, Any], now: datetime
) -> Mapping[str, Any]:
    row = _store(conn, clock, link, now)
    _tell(conn, clock, row, "linked")
    return row


def _store(
    conn: Connection, clock: Clock, link: Mapping[str, Any], now: datetime
) -> Mapping[str, Any]:
    row = dict(link) | {"id": new_uuid(clock), "now": now}
    conn.execute(sql.load("postgres/queries/insert_subject"), row)
    return row


def _tell(conn: Connection, clock: Clock, link: Mapping[str, Any], what: str) -> None:
    """Write down that a subject's usage is paid for by a customer, or no longer."""
    customer, until = format_id("cus", link["customer_id"]), link["valid_to"]
    told = {
        "customer": customer,
        "subject": link["subject"],
        "valid_from": link["valid_from"].isoformat(),
        "valid_to": until and until.isoformat(),
    }
    append(conn, clock, link["tenant_id"], Change(f"customer.subject.{what}", customer, told))


def _link(row: Mapping[str, Any]) -> SubjectLink:
    return SubjectLink(row["id"], row["subject"], row["valid_from"], row["valid_to"])


def _refusal(customer: Customer, link: Mapping[str, Any], *, move: bool) -> ConflictError:
    until = "" if link["valid_to"] is None else f" to {link['valid_to']}"
    fix = (
        "" if move or link["customer_id"] == customer.id else "; end that link, or move the subject"
    )
    return ConflictError(
        f"subject: {link['subject']!r} cannot belong to customer {customer.slug!r} then: it belongs"
        f" to {link['customer']!r} from {link['valid_from']}{until}{fix}",
        field="subject",
        customer=link["customer"],
    )
