"""Customers: who pays. Found by id or by slug, listed, and asked for as they were known."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sql
from catalog.meter_definition import is_slug
from core.clock import Clock
from core.errors import ConflictError
from core.ids import CustomerId, TenantId, format_id
from core.money import Currency
from core.texts import check_text
from db.outbox import Change, append
from db.postgres import Connection
from subscriptions.customers.facts import Billing, Payer
from subscriptions.errors import CustomerNotFoundError

_ID: Final = re.compile(r"cus_([0-9a-f]{32})")


@dataclass(frozen=True, slots=True)
class Customer:
    """Who pays; `billing_info` says the buyer's name, addresses and tax ids on invoices.

    `payer` says who gets its invoices: itself, or its parent; `invoices`, whether those it gets
    come as one. `revision` grows with each change.
    """

    id: CustomerId
    tenant_id: TenantId
    slug: str
    name: str
    time_zone: str
    currency: Currency
    billing_info: Mapping[str, Any]
    parent_id: CustomerId | None
    payer: Payer
    invoices: Billing
    user_id: UUID | None
    metadata: Mapping[str, str]
    revision: int
    deleted_at: datetime | None

    def as_resource(self) -> dict[str, Any]:
        """The form that is shown outside."""
        return {
            "id": format_id("cus", self.id),
            "slug": self.slug,
            "name": self.name,
            "time_zone": self.time_zone,
            "currency": self.currency.code,
            "billing_info": dict(self.billing_info),
            "parent": self.parent_id and format_id("cus", self.parent_id),
            "payer": self.payer,
            "invoices": self.invoices,
            "user_id": self.user_id and str(self.user_id),
            "metadata": dict(self.metadata),
            "revision": self.revision,
            "deleted_at": self.deleted_at and self.deleted_at.isoformat(),
        }

    def as_row(self) -> dict[str, Any]:
        """Field by field; a nested document stays one."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def looks_like_id(reference: str) -> bool:
    """Whether this is a customer's id, and no slug."""
    return _ID.fullmatch(reference) is not None


def find_customer(conn: Connection, tenant_id: TenantId, reference: str) -> Customer:
    """The customer with an id (`cus_…`) or a slug, its row locked until commit.

    Raises `CustomerNotFoundError`, and `ConflictError` for one that was deleted.
    """
    found = lock_customer(conn, tenant_id, reference)
    refuse_deleted(found)
    return found


def lock_customer(conn: Connection, tenant_id: TenantId, reference: str) -> Customer:
    """The same, deleted or not."""
    customer_id = _id_of(conn, tenant_id, reference)
    if customer_id is None:
        raise _no_customer(reference)
    lock_customers(conn, tenant_id, [customer_id])
    return read_customer(conn, tenant_id, format_id("cus", customer_id))


def lock_customers(conn: Connection, tenant_id: TenantId, ids: Sequence[UUID]) -> None:
    """Let nobody else change these customers, or what belongs to them, until commit."""
    conn.execute(
        sql.load("postgres/queries/lock_customers"), {"tenant_id": tenant_id, "ids": list(ids)}
    )


def read_customer(conn: Connection, tenant_id: TenantId, reference: str) -> Customer:
    """The customer with an id, deleted or not, or with a slug. Raises `CustomerNotFoundError`."""
    customer_id = _id_of(conn, tenant_id, reference)
    found = customer_id and page_of_customers(conn, tenant_id, ids=[customer_id], deleted=None)
    if not found:
        raise _no_customer(reference)
    return found[0]


def _no_customer(reference: str) -> CustomerNotFoundError:
    return CustomerNotFoundError(
        f"customer: there is none called {reference!r}", customer=reference
    )


def _id_of(conn: Connection, tenant_id: TenantId, reference: str) -> UUID | None:
    """The id that a reference is, or stands for; None where there is no such slug."""
    if match := _ID.fullmatch(reference):
        return UUID(hex=match[1])
    if not is_slug(reference):
        return None
    values = {"tenant_id": tenant_id, "slug": reference}
    row = conn.execute(sql.load("postgres/queries/select_customer_id"), values).fetchone()
    return None if row is None else row["id"]


def refuse_deleted(customer: Customer, field: str = "customer") -> None:
    """Raise `ConflictError` naming `field` for a customer that was deleted."""
    if customer.deleted_at is not None:
        raise ConflictError(
            f"{field}: {customer.slug!r} was deleted at {customer.deleted_at.isoformat()}; create"
            " another one",
            field=field,
        )


def page_of_customers(
    conn: Connection,
    tenant_id: TenantId,
    *,
    after: UUID | None = None,
    limit: int = 100,
    ids: Sequence[UUID] | None = None,
    parent_id: UUID | None = None,
    user_id: UUID | None = None,
    deleted: bool | None = False,
) -> list[Customer]:
    """At most `limit` customers made after the one with the id `after`, the oldest first.

    `ids`, `parent_id` and `user_id` pick those that have them; `deleted` those that are gone, or
    not; None: both.
    """
    rows = conn.execute(
        sql.load("postgres/queries/select_customer_page"),
        {
            "tenant_id": tenant_id,
            "after": after or UUID(int=0),
            "limit": limit,
            "ids": None if ids is None else list(ids),
            "parent_id": parent_id,
            "user_id": user_id,
            "deleted": deleted,
        },
        prepare=False,  # planned for the filters that are there
    )
    return [_of_row(row) for row in rows]


def customers_of_subject(conn: Connection, tenant_id: TenantId, subject: str) -> list[UUID]:
    """Who pays for the subject's usage at any time, as known now. Raises `ValidationError`."""
    rows = conn.execute(
        sql.load("postgres/queries/select_customers_of_subject"),
        {"tenant_id": tenant_id, "subject": check_text(subject, "subject")},
    )
    return [row["customer_id"] for row in rows]


def known_customer(
    conn: Connection,
    tenant_id: TenantId,
    reference: str,
    known_at: datetime,
    at: datetime | None = None,
) -> Customer:
    """What was known at `known_at` of the customer as it is at `at` (default: the same instant).

    Raises `CustomerNotFoundError` where nothing was known.
    """
    customer = read_customer(conn, tenant_id, reference)
    values = {
        "tenant_id": tenant_id,
        "id": customer.id,
        "known_at": known_at,
        "at": known_at if at is None else at,
    }
    row = conn.execute(sql.load("postgres/queries/select_customer_known"), values).fetchone()
    if row is None:
        raise CustomerNotFoundError(
            f"customer: nothing was known of {reference!r} then", customer=reference
        )
    return _of_row(row)


def tell_customer(
    conn: Connection, clock: Clock, tenant_id: TenantId, customer_id: UUID, what: str
) -> Customer:
    """The customer as it is now, after it was written down what became of it."""
    found = read_customer(conn, tenant_id, format_id("cus", customer_id))
    told = found.as_resource()
    append(conn, clock, tenant_id, Change(f"customer.{what}", told["id"], told))
    return found


def _of_row(row: Mapping[str, Any]) -> Customer:
    return Customer(**dict(row) | {"currency": Currency(row["currency"])})
