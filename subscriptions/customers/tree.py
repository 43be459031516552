"""Who is above whom: a customer has at most one parent, and nobody is above themselves."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import sql
from core.errors import BusinessLogicError, ConflictError
from core.ids import TenantId
from db.postgres import Connection
from subscriptions.customers.customer import Customer, read_customer, refuse_deleted
from subscriptions.errors import CustomerNotFoundError

LEVELS_MAX: Final = 5
"""How many customers stand above each other at most, the lowest and the highest included."""


def lock_tree(conn: Connection, tenant_id: TenantId) -> None:
    """Let nobody else change who is above whom in this tenant until commit.

    It is locked before any customer is: two that wait for each other would both wait.
    """
    conn.execute(sql.load("postgres/queries/lock_customer_tree"), {"tenant_id": tenant_id})


def parent_of(
    conn: Connection, tenant_id: TenantId, reference: str, child: Customer | None
) -> Customer:
    """The customer that `reference` names, if it may stand above `child` (None: a new one).

    The tree must be locked. Raises `CustomerNotFoundError`, `ConflictError` for one that was
    deleted or stands below the child, `BusinessLogicError` for too many levels.
    """
    try:
        parent = read_customer(conn, tenant_id, reference)
    except CustomerNotFoundError as error:
        raise CustomerNotFoundError(
            f"parent: there is no customer called {reference!r}", field="parent", customer=reference
        ) from error
    refuse_deleted(parent, "parent")
    values = {"tenant_id": tenant_id, "id": parent.id}
    above: list[UUID] = [
        row["id"]
        for row in conn.execute(sql.load("postgres/queries/select_customer_ancestors"), values)
    ]
    levels = 1
    if child is not None:
        if child.id in above:
            raise ConflictError(
                f"parent: {parent.slug!r} is {child.slug!r} itself, or below it; choose another",
                field="parent",
            )
        below = conn.execute(
            sql.load("postgres/queries/select_customer_height"), values | {"id": child.id}
        ).fetchone()
        assert below is not None
        levels = below["levels"]
    if len(above) + levels > LEVELS_MAX:
        raise BusinessLogicError(
            f"parent: below {parent.slug!r} this makes {len(above) + levels} levels, at most"
            f" {LEVELS_MAX} are possible",
            field="parent",
        )
    return parent


def refuse_other_currency(conn: Connection, customer: Customer) -> None:
    """Raise `BusinessLogicError` where it and who pays for it, or is paid for by it, have two.

    The tree must be locked.
    """
    row = conn.execute(
        sql.load("postgres/queries/select_other_currency"),
        {"tenant_id": customer.tenant_id, "id": customer.id},
    ).fetchone()
    if row is not None:
        what = "pays for" if not row["above"] else "is paid for by"
        raise BusinessLogicError(
            f"currency: customer {customer.slug!r} has {customer.currency} and {what}"
            f" {row['slug']!r}, which has {row['currency']}; a parent pays in its own currency",
            field="currency",
        )


def refuse_children(conn: Connection, customer: Customer) -> None:
    """Raise `ConflictError` naming them while the customer stands above others."""
    rows = conn.execute(
        sql.load("postgres/queries/select_customer_children"),
        {"tenant_id": customer.tenant_id, "id": customer.id},
    )
    children = ", ".join(repr(row["slug"]) for row in rows)
    if children:
        raise ConflictError(
            f"customer: {customer.slug!r} is the parent of {children}; change or delete them first",
            field="customer",
        )
