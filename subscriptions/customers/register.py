"""Customers as people manage them: created, changed by who read the newest revision, deleted."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg.types.json import Jsonb

import sql
from catalog.meter_definition import check_name, check_slug
from catalog.meter_register import check_metadata
from core.calendar.zones import parse_time_zone
from core.clock import Clock
from core.errors import BusinessLogicError, ConflictError, PreconditionError, ValidationError
from core.ids import CustomerId, TenantId, new_uuid
from core.money import Currency
from db.postgres import Connection
from subscriptions.customers.customer import (
    Customer,
    find_customer,
    lock_customer,
    looks_like_id,
    read_customer,
    tell_customer,
)
from subscriptions.customers.facts import CustomerFacts, NewCustomer
from subscriptions.customers.payment_methods import remove_all_payment_methods
from subscriptions.customers.subjects import end_all_links
from subscriptions.customers.tree import (
    lock_tree,
    parent_of,
    refuse_children,
    refuse_other_currency,
)
from subscriptions.errors import CustomerNotFoundError

Outcome = Literal["created", "updated", "unchanged"]


def create_customer(
    conn: Connection, clock: Clock, tenant_id: TenantId, new: NewCustomer
) -> Customer:
    """Make a customer.

    Raises `ValidationError`, `ConflictError` for a slug in use, and what `change_customer` raises
    of a parent.
    """
    made = _insert(conn, clock, tenant_id, new)
    if made is None:
        raise ConflictError(f"slug: the customer {new.slug!r} exists already", field="slug")
    return made


def known_as(conn: Connection, tenant_id: TenantId, slug: str) -> Customer | None:
    """The customer called so, if there is one."""
    if looks_like_id(slug):
        return None
    try:
        return read_customer(conn, tenant_id, slug)
    except CustomerNotFoundError:
        return None


def ensure_customer(
    conn: Connection, clock: Clock, tenant_id: TenantId, wanted: NewCustomer
) -> tuple[Customer, Outcome]:
    """The customer called so, created or brought up to date. Raises as `change_customer`."""
    made = _insert(conn, clock, tenant_id, wanted)
    if made is not None:
        return made, "created"
    known = find_customer(conn, tenant_id, wanted.slug)
    changed = change_customer(conn, clock, tenant_id, wanted.slug, wanted)
    return changed, "unchanged" if changed == known else "updated"


def change_customer(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    reference: str,
    facts: CustomerFacts,
    revision: int | None = None,
) -> Customer:
    """Change what `facts` say; what was known before stays in the history.

    A new time zone holds for subscriptions made later. `revision` is the one that was read.
    Raises `PreconditionError` when it is another one by now, `ValidationError`,
    `CustomerNotFoundError`, `ConflictError` for a customer that was deleted or a parent that stands
    below it, `BusinessLogicError` for another currency once something was bought, or than that of
    who pays for whom.
    """
    if _moves(conn, tenant_id, reference, facts):
        lock_tree(conn, tenant_id)
    known = find_customer(conn, tenant_id, reference)
    _check_revision(known, revision)
    wanted = with_facts(conn, known, facts)
    if wanted == known:
        return known
    if wanted.currency != known.currency and _has_subscription(conn, known):
        raise BusinessLogicError(
            f"currency: customer {known.slug!r} has bought something in {known.currency}; create"
            f" another customer for {wanted.currency}",
            field="currency",
        )
    _update(conn, clock, wanted)
    refuse_other_currency(conn, wanted)
    return tell_customer(conn, clock, tenant_id, known.id, "updated")


def _moves(conn: Connection, tenant_id: TenantId, reference: str, facts: CustomerFacts) -> bool:
    """Whether this may change who is above whom, who pays for whom, or in which currency."""
    if facts.parent is not None or facts.payer == "parent":
        return True
    if facts.currency is None:
        return False
    return read_customer(conn, tenant_id, reference).currency.code != facts.currency


def delete_customer(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    reference: str,
    revision: int | None = None,
) -> Customer:
    """End the customer's links, and forget how to reach it and what it pays with.

    Its row, its subscriptions and its invoices stay; its slug may be given again. Again changes
    nothing. Raises `ConflictError` naming the subscriptions or children that stand against it,
    `PreconditionError`, `CustomerNotFoundError`.
    """
    lock_tree(conn, tenant_id)
    known = lock_customer(conn, tenant_id, reference)
    if known.deleted_at is not None:
        return known
    _check_revision(known, revision)
    _refuse_subscriptions(conn, known)
    refuse_children(conn, known)
    now = clock.now()
    end_all_links(conn, clock, known, now)
    remove_all_payment_methods(conn, clock, known)
    _update(conn, clock, replace(known, billing_info={}, deleted_at=now))
    return tell_customer(conn, clock, tenant_id, known.id, "deleted")


def _insert(
    conn: Connection, clock: Clock, tenant_id: TenantId, new: NewCustomer
) -> Customer | None:
    """The customer, unless there is one called so."""
    if looks_like_id(check_slug(new.slug)):
        raise ValidationError(f"slug: {new.slug!r} has the form of an id", field="slug")
    if new.parent is not None:
        lock_tree(conn, tenant_id)
    blank = Customer(
        id=CustomerId(new_uuid(clock)),
        tenant_id=tenant_id,
        slug=new.slug,
        name=new.slug,
        time_zone="UTC",
        currency=Currency(new.currency),
        billing_info={},
        parent_id=None,
        payer="self",
        invoices="together",
        user_id=None,
        metadata={},
        revision=1,
        deleted_at=None,
    )
    customer = with_facts(conn, blank, new, is_new=True)
    row = _row(customer, clock.now())
    if conn.execute(sql.load("postgres/queries/insert_customer"), row).fetchone() is None:
        return None
    if new.parent is not None:
        refuse_other_currency(conn, customer)
    return tell_customer(conn, clock, tenant_id, customer.id, "created")


def with_facts(
    conn: Connection, known: Customer, facts: CustomerFacts, *, is_new: bool = False
) -> Customer:
    """The customer as the facts say it is. Raises `ValidationError` for one that is none."""
    check_name(facts.name)
    if facts.time_zone is not None:
        parse_time_zone(facts.time_zone)
    told: dict[str, Any] = {
        "name": facts.name,
        "time_zone": facts.time_zone,
        "currency": None if facts.currency is None else Currency(facts.currency),
        "billing_info": None if facts.billing_info is None else facts.billing_info.as_document(),
        "payer": facts.payer,
        "invoices": facts.invoices,
        "metadata": None if facts.metadata is None else check_metadata(facts.metadata),
    }
    changes = {name: value for name, value in told.items() if value is not None}
    if "parent" in facts.model_fields_set:
        changes["parent_id"] = None
        if facts.parent is not None:
            child = None if is_new else known
            changes["parent_id"] = parent_of(conn, known.tenant_id, facts.parent, child).id
    if "user_id" in facts.model_fields_set:
        changes["user_id"] = None if facts.user_id is None else _uuid(facts.user_id)
    wanted = replace(known, **changes)
    if wanted.payer == "parent" and wanted.parent_id is None:
        raise ValidationError(
            "payer: 'parent' needs a parent; name one, or send 'self'", field="payer"
        )
    return wanted


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ValidationError(f"user_id: {text[:50]!r} is no UUID", field="user_id") from None


def _check_revision(known: Customer, revision: int | None) -> None:
    if revision is not None and revision != known.revision:
        raise PreconditionError(
            f"If-Match: customer {known.slug!r} is at revision {known.revision} by now, not"
            f" {revision}; read it again and decide",
            field="If-Match",
        )


def _has_subscription(conn: Connection, customer: Customer) -> bool:
    """Whether something was bought, or agreed on; an invoice is one of a subscription."""
    row = conn.execute(
        sql.load("postgres/queries/has_subscription"),
        {"tenant_id": customer.tenant_id, "id": customer.id},
    ).fetchone()
    assert row is not None
    return bool(row["found"])


def _refuse_subscriptions(conn: Connection, customer: Customer) -> None:
    rows = conn.execute(
        sql.load("postgres/queries/select_unbilled_subscriptions"),
        {"tenant_id": customer.tenant_id, "id": customer.id},
    )
    left = ", ".join(f"{row['slug']!r} ({row['status']})" for row in rows)
    if left:
        raise ConflictError(
            f"customer: {customer.slug!r} has subscriptions that go on or are not billed to their"
            f" end: {left}; end them and close their last period first",
            field="customer",
        )


def _update(conn: Connection, clock: Clock, customer: Customer) -> None:
    conn.execute(sql.load("postgres/queries/update_customer"), _row(customer, clock.now()))


def _row(customer: Customer, now: datetime) -> dict[str, Any]:
    return customer.as_row() | {
        "currency": customer.currency.code,
        "billing_info": Jsonb(dict(customer.billing_info)),
        "metadata": Jsonb(dict(customer.metadata)),
        "now": now,
    }
