"""Customers pay, subjects use: each subject belongs to at most one customer at any instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg import errors
from psycopg.types.json import Jsonb

import sql
from catalog.meters import check_slug
from core.calendar.zones import parse_time_zone
from core.clock import Clock
from core.errors import BusinessLogicError, ConflictError, NotFoundError, ValidationError
from core.events import TEXT_BYTES_MAX
from core.ids import CustomerId, TenantId, format_id, new_uuid
from core.money import Currency
from db.outbox import Change, append
from db.postgres import Connection

Outcome = Literal["created", "updated", "unchanged"]


@dataclass(frozen=True, slots=True)
class Customer:
    """Who pays; `billing_info` says the buyer's name, address, email and tax_id on invoices."""

    id: CustomerId
    tenant_id: TenantId
    slug: str
    name: str
    time_zone: str
    currency: Currency
    billing_info: Mapping[str, Any]

    def as_resource(self) -> dict[str, Any]:
        """The form that is shown outside."""
        return {
            "id": format_id("cus", self.id),
            "slug": self.slug,
            "name": self.name,
            "time_zone": self.time_zone,
            "currency": self.currency.code,
            "billing_info": dict(self.billing_info),
        }


def ensure_customer(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    *,
    slug: str,
    name: str,
    time_zone: str,
    currency: Currency,
    billing_info: Mapping[str, Any],
) -> tuple[Customer, Outcome]:
    """The customer called `slug`, created or brought up to date; facts it had stay in its history.

    A new time zone holds for subscriptions made later. Raises `ValidationError` for an unknown
    zone, `BusinessLogicError` for another currency than before.
    """
    parse_time_zone(time_zone)
    facts = {"name": name, "time_zone": time_zone, "billing_info": dict(billing_info)}
    row = {
        **facts,
        "id": new_uuid(clock),
        "tenant_id": tenant_id,
        "slug": check_slug(slug),
        "currency": currency.code,
        "billing_info": Jsonb(facts["billing_info"]),
        "now": clock.now(),
    }
    if conn.execute(sql.load("postgres/queries/insert_customer"), row).fetchone():
        return _told(conn, clock, find_customer(conn, tenant_id, slug), "created"), "created"
    known = find_customer(conn, tenant_id, slug)
    if known.currency != currency:
        raise BusinessLogicError(
            f"currency: customer {slug!r} pays in {known.currency}; create another customer for"
            f" {currency}",
            field="currency",
        )
    if all(getattr(known, field) == value for field, value in facts.items()):
        return known, "unchanged"
    conn.execute(sql.load("postgres/queries/update_customer"), row | {"id": known.id})
    return _told(conn, clock, find_customer(conn, tenant_id, slug), "updated"), "updated"


def _told(conn: Connection, clock: Clock, customer: Customer, what: str) -> Customer:
    """The customer, after it was written down what became of it."""
    told = customer.as_resource()
    append(conn, clock, customer.tenant_id, Change(f"customer.{what}", told["id"], told))
    return customer


def _tell_link(conn: Connection, clock: Clock, row: Mapping[str, Any], what: str) -> None:
    """Write down that a subject's usage is paid for by a customer, or no longer."""
    customer, until = format_id("cus", row["customer_id"]), row["valid_to"]
    told = {
        "customer": customer,
        "subject": row["subject"],
        "valid_from": row["valid_from"].isoformat(),
        "valid_to": until and until.isoformat(),
    }
    append(conn, clock, row["tenant_id"], Change(f"customer.subject.{what}", customer, told))


def find_customer(conn: Connection, tenant_id: TenantId, slug: str) -> Customer:
    """The customer called `slug`, locked until commit. Raises `NotFoundError`."""
    row = conn.execute(
        sql.load("postgres/queries/lock_customer"), {"tenant_id": tenant_id, "slug": slug}
    ).fetchone()
    if row is None:
        raise NotFoundError(f"customer: there is none called {slug!r}", slug=slug)
    return Customer(**row | {"currency": Currency(row["currency"])})


def ensure_subject(
    conn: Connection,
    clock: Clock,
    customer: Customer,
    subject: str,
    valid_from: datetime,
    valid_to: datetime | None = None,
) -> bool:
    """Let the customer pay for the subject's usage in `[valid_from, valid_to)`; whether it is new.

    Raises `ConflictError` naming both customers when another one pays for a part of that time, or
    this one in other dates; `ValidationError` for an empty range or a name that no event can have.
    """
    if not 1 <= len(subject.encode()) <= TEXT_BYTES_MAX["subject"]:
        raise ValidationError(
            f"subject: give 1 to {TEXT_BYTES_MAX['subject']} bytes", field="subject"
        )
    if valid_to is not None and valid_to <= valid_from:
        raise ValidationError(f"to: {valid_to} is not after {valid_from}", field="to")
    row: dict[str, Any] = {
        "id": new_uuid(clock),
        "tenant_id": customer.tenant_id,
        "customer_id": customer.id,
        "subject": subject,
        "valid_from": valid_from,
        "valid_to": valid_to,
        "now": clock.now(),
    }
    try:
        # A savepoint: the caller's transaction outlives the refusal.
        with conn.transaction():
            conn.execute(sql.load("postgres/queries/insert_subject"), row)
    except errors.ExclusionViolation as error:
        taken = conn.execute(
            sql.load("postgres/queries/select_overlapping_subject"), row
        ).fetchone()
        if taken is None:
            raise ConflictError(f"subject: {subject!r} was linked at the same moment") from error
        if taken["same"]:
            return False
        raise ConflictError(
            f"subject: {subject!r} cannot belong to customer {customer.slug!r} then: it belongs to"
            f" {taken['customer']!r} from {taken['valid_from']} to {taken['valid_to']}",
            field="subject",
        ) from error
    _tell_link(conn, clock, row, "linked")
    return True


def unlink_subject(
    conn: Connection, clock: Clock, tenant_id: TenantId, subject: str, at: datetime
) -> None:
    """End the subject's open link at `at`; usage from then on belongs to nobody, or to the next.

    The link as it was known before stays on record. Raises `NotFoundError` when there is none.
    """
    row: dict[str, Any] = {
        "tenant_id": tenant_id,
        "subject": subject,
        "at": at,
        "now": clock.now(),
        "id": new_uuid(clock),
    }
    known = conn.execute(sql.load("postgres/queries/close_subject"), row).fetchone()
    if known is None:
        raise NotFoundError(f"subject: {subject!r} belongs to no customer at {at}")
    row |= {
        "customer_id": known["customer_id"],
        "valid_from": known["valid_from"],
        "valid_to": at,
    }
    conn.execute(sql.load("postgres/queries/insert_subject"), row)
    _tell_link(conn, clock, row, "unlinked")


@dataclass(frozen=True, slots=True)
class SubjectLink:
    """A subject whose usage a customer pays for in `[valid_from, valid_to)`; None: for ever."""

    subject: str
    valid_from: datetime
    valid_to: datetime | None


def subjects_of(conn: Connection, customer: Customer) -> list[SubjectLink]:
    """Whose usage the customer pays for, as known now, by subject and time."""
    rows = conn.execute(
        sql.load("postgres/queries/select_subjects_of_customer"),
        {"tenant_id": customer.tenant_id, "customer_id": customer.id},
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
