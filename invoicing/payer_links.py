"""Which of a tenant's customers another tenant of the same owner invoices: both sides agree.

The one tenant offers a customer, the other takes it for a customer of its own. Each side's word
stands in its own rows, written by transactions of its own; without both nothing is handed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import sql
from core.acting import Acting
from core.clock import Clock
from core.errors import BusinessLogicError, ConflictError, NotFoundError
from core.ids import CustomerId, TenantId, format_id, new_uuid
from db.outbox import Change, append
from db.postgres import Connection, Database
from identity.owners import owner_of
from subscriptions.customers.customer import Customer, find_customer, read_customer
from subscriptions.customers.tree import lock_tree

Side = Literal["gives", "takes"]


@dataclass(frozen=True, slots=True)
class PayerLink:
    """What one side said, and still holds."""

    id: UUID
    side: Side
    customer_id: CustomerId
    slug: str
    other_tenant_id: TenantId
    other_customer_id: CustomerId | None
    """None: offered, and not taken."""
    currency: str
    offered_at: datetime
    accepted_at: datetime | None

    def as_resource(self) -> dict[str, Any]:
        """The form that is shown outside."""
        other = self.other_customer_id
        return {
            "customer": format_id("cus", self.customer_id),
            "slug": self.slug,
            "side": self.side,
            "other_tenant": format_id("ten", self.other_tenant_id),
            "other_customer": other and format_id("cus", other),
            "currency": self.currency,
            "offered_at": self.offered_at.isoformat(),
            "accepted_at": self.accepted_at and self.accepted_at.isoformat(),
        }


def links_of(
    conn: Connection, tenant_id: TenantId, customer_id: CustomerId | None = None
) -> list[PayerLink]:
    """What holds, of one customer or of all of the tenant's."""
    rows = conn.execute(
        sql.load("postgres/queries/select_payer_links"),
        {"tenant_id": tenant_id, "customer_id": customer_id},
    )
    return [PayerLink(**row) for row in rows]


def offer(db: Database, clock: Clock, acting: Acting, customer: str, home: TenantId) -> PayerLink:
    """Offer a customer of this tenant to another one; the same offer again changes nothing.

    Raises `BusinessLogicError` unless one owner has both tenants, `ConflictError` for a customer
    that was offered to somebody else, or is invoiced on behalf of another tenant.
    """
    if home == acting.tenant_id:
        raise BusinessLogicError("to: name another tenant than the customer's own", field="to")
    _owner_of_both(db, acting, home)
    with db.transaction(acting) as conn:
        found = _payer(conn, acting.tenant_id, customer)
        for known in links_of(conn, acting.tenant_id, found.id):
            if (known.side, known.other_tenant_id) == ("gives", home):
                return known
            raise ConflictError(
                f"customer: {found.slug!r} has an agreement with another tenant; end it first",
                field="customer",
            )
        _insert(conn, clock, found, "gives", home)
        return links_of(conn, acting.tenant_id, found.id)[0]


def accept(
    db: Database, clock: Clock, acting: Acting, customer: str, member: TenantId, given: str
) -> PayerLink:
    """Let a customer of this tenant pay for what `member` offered; again changes nothing.

    A transaction there reads the offer, one here takes it, and one there writes down that it was
    taken: from then on it hands over. Raises `NotFoundError` without an offer, `BusinessLogicError`
    for another currency, for owners that differ, for a customer that does not pay for itself,
    `ConflictError` for one that was offered to somebody else.
    """
    there = Acting(member, acting.actor)
    _owner_of_both(db, acting, member)
    with db.transaction(there) as conn:
        offered = find_customer(conn, member, given)
        links = [
            each
            for each in links_of(conn, member, offered.id)
            if (each.side, each.other_tenant_id) == ("gives", acting.tenant_id)
        ]
    if not links:
        raise NotFoundError(f"for: {given!r} was not offered to this tenant", field="for")
    with db.transaction(acting) as conn:
        lock_tree(conn, acting.tenant_id)  # of two that take the same, one comes first
        found = _payer(conn, acting.tenant_id, customer)
        if found.currency.code != links[0].currency:
            raise BusinessLogicError(
                f"currency: customer {found.slug!r} has {found.currency}, and {given!r} has"
                f" {links[0].currency}; a payer pays in its own currency",
                field="customer",
            )
        known = links_of(conn, acting.tenant_id, found.id)
        if any(each.side == "gives" for each in known):
            raise ConflictError(
                f"customer: {found.slug!r} is itself offered to another tenant; end that first",
                field="customer",
            )
        mine = [each for each in known if each.other_customer_id == offered.id]
        if not mine:
            _end(conn, clock, acting.tenant_id, "takes", None, member, offered.id)
            _insert(conn, clock, found, "takes", member, offered.id)
    if links[0].other_customer_id != found.id:
        with db.transaction(there) as conn:
            values = {
                "tenant_id": member,
                "id": links[0].id,
                "accepted_at": max(clock.now(), links[0].offered_at),
                "other_customer_id": found.id,
            }
            conn.execute(sql.load("postgres/queries/accept_payer_link"), values)
            _tell(conn, clock, member, offered.id, "accepted", acting.tenant_id)
    with db.transaction(acting, snapshot=True) as conn:
        known = links_of(conn, acting.tenant_id, found.id)
    return next(each for each in known if each.other_customer_id == offered.id)


def end(db: Database, clock: Clock, acting: Acting, customer: str) -> int:
    """Take back what this side said of a customer; how many agreements that ends, with both sides.

    The one that gives ends first, so nothing is handed over that nobody takes. What was handed over
    is invoiced. Raises `NotFoundError` where there is none.
    """
    with db.transaction(acting, snapshot=True) as conn:
        found = read_customer(conn, acting.tenant_id, customer)
        links = links_of(conn, acting.tenant_id, found.id)
    if not links:
        raise NotFoundError(f"customer: {customer!r} has no agreement to end", field="customer")
    for link in links:
        member, home, given = acting.tenant_id, link.other_tenant_id, found.id
        if link.side == "takes":
            assert link.other_customer_id is not None
            member, home, given = home, member, link.other_customer_id
        with db.transaction(Acting(member, acting.actor)) as conn:
            _end(conn, clock, member, "gives", given, home, None)
        with db.transaction(Acting(home, acting.actor)) as conn:
            _end(conn, clock, home, "takes", None, member, given)
    return len(links)


def _owner_of_both(db: Database, acting: Acting, other: TenantId) -> None:
    owners = []
    for tenant_id in (acting.tenant_id, other):
        with db.transaction(Acting(tenant_id, acting.actor), snapshot=True) as conn:
            owners.append(owner_of(conn, tenant_id))
    if owners[0] is None or owners[0] != owners[1]:
        raise BusinessLogicError(
            "owner: both tenants need the same one; an operator says so with `tollbook tenants"
            " owner`",
            field="owner",
        )


def _payer(conn: Connection, tenant_id: TenantId, customer: str) -> Customer:
    """The customer, locked, if it pays for itself."""
    found = find_customer(conn, tenant_id, customer)
    if found.payer != "self":
        raise BusinessLogicError(
            f"customer: {found.slug!r} does not pay for itself; name the one that pays",
            field="customer",
        )
    return found


def _insert(
    conn: Connection,
    clock: Clock,
    found: Customer,
    side: Side,
    other: TenantId,
    theirs: CustomerId | None = None,
) -> None:
    now = clock.now()
    conn.execute(
        sql.load("postgres/queries/insert_payer_link"),
        {
            "id": new_uuid(clock),
            "tenant_id": found.tenant_id,
            "side": side,
            "customer_id": found.id,
            "other_tenant_id": other,
            "other_customer_id": theirs,
            "currency": found.currency.code,
            "offered_at": now,
            "accepted_at": now if side == "takes" else None,
        },
    )
    what = "taken" if side == "takes" else "offered"
    _tell(conn, clock, found.tenant_id, found.id, what, other)


def _end(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    side: Side,
    customer_id: CustomerId | None,
    other: TenantId,
    theirs: CustomerId | None,
) -> None:
    rows = conn.execute(
        sql.load("postgres/queries/end_payer_links"),
        {
            "tenant_id": tenant_id,
            "side": side,
            "customer_id": customer_id,
            "other_tenant_id": other,
            "other_customer_id": theirs,
            "ended_at": clock.now(),
        },
    ).fetchall()
    for row in rows:
        _tell(conn, clock, tenant_id, row["customer_id"], "ended", other)


def _tell(
    conn: Connection, clock: Clock, tenant_id: TenantId, customer_id: UUID, what: str, other: UUID
) -> None:
    told = {"customer": format_id("cus", customer_id), "tenant": format_id("ten", other)}
    append(conn, clock, tenant_id, Change(f"customer.payer.{what}", told["customer"], told))
