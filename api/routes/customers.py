"""`/v1/customers`: who pays, created, changed and deleted."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

import pydantic
from fastapi import APIRouter, Body, Path, Query, Request, Response

from api.acting import ActingOf, changing, reading
from api.idempotency import change_once
from api.paging import LIMIT_DEFAULT, Cursor, Limit, id_cursor_of, id_of, page_of
from api.revisions import IfMatch, etag_of, revision_of
from core.clock import Clock
from db.postgres import Connection, Database
from identity.api_keys import CUSTOMERS_READ, CUSTOMERS_WRITE
from subscriptions.customers.customer import (
    Customer,
    customers_of_subject,
    known_customer,
    page_of_customers,
    read_customer,
)
from subscriptions.customers.facts import CustomerFacts, NewCustomer
from subscriptions.customers.register import change_customer, create_customer, delete_customer

_EXAMPLE: Final = {
    "slug": "contoso",
    "name": "Contoso",
    "currency": "EUR",
    "time_zone": "Europe/Berlin",
    "billing_info": {
        "email": "billing@contoso.example",
        "postal_address": {
            "line1": "Allee 1",
            "postal_code": "10115",
            "city": "Berlin",
            "country": "DE",
        },
        "tax_ids": [{"type": "eu_vat", "value": "DE123456789"}],
    },
}
"""A new customer, shown in the OpenAPI page."""

Reference = Annotated[str, Path(description="The customer's id (`cus_…`) or slug.")]
KnownAt = Annotated[
    pydantic.AwareDatetime | None, Query(description="As it was known at this instant.")
]


def create_customers_router(db: Database, machine: Clock, acting_of: ActingOf) -> APIRouter:
    """The routes. `acting_of` says for whom a request works, if it may do what the scope says."""
    router = APIRouter(prefix="/v1/customers", tags=["customers"])
    _add_reading(router, db, acting_of)
    _add_writing(router, db, machine, acting_of)
    return router


def _add_reading(router: APIRouter, db: Database, acting_of: ActingOf) -> None:
    @router.get("", summary="List customers")
    def list_customers(
        request: Request,
        limit: Limit = LIMIT_DEFAULT,
        cursor: Cursor = None,
        subject: Annotated[str | None, Query(description="Those who pay for it, ever.")] = None,
        parent: Annotated[str | None, Query(description="Those below this customer.")] = None,
        user_id: Annotated[UUID | None, Query(description="Those of this user.")] = None,
        deleted: Annotated[bool, Query(description="Those that are gone instead.")] = False,
    ) -> dict[str, Any]:
        """The tenant's customers, oldest first. Ask again with `next_cursor` while there is one."""
        acting = acting_of(request, CUSTOMERS_READ, own=True)
        tenant_id, after = acting.tenant_id, id_of(cursor)
        with reading(db, acting) as conn:
            parent_id = None if parent is None else read_customer(conn, tenant_id, parent).id
            ids = None if subject is None else customers_of_subject(conn, tenant_id, subject)
            return page_of(
                lambda count: page_of_customers(
                    conn,
                    tenant_id,
                    after=after,
                    limit=count,
                    ids=ids,
                    parent_id=parent_id,
                    user_id=user_id,
                    deleted=deleted,
                ),
                limit,
                lambda customer: id_cursor_of(customer.id),
            )

    @router.get("/{customer}", summary="Show a customer")
    def show_customer(
        request: Request, response: Response, customer: Reference, known_at: KnownAt = None
    ) -> dict[str, Any]:
        """One customer; one that was deleted by its id alone.

        Its `ETag` is the revision, which grows with every change. `known_at` shows it as it was.
        """
        acting = acting_of(request, CUSTOMERS_READ, own=True)
        with reading(db, acting) as conn:
            if known_at is None:
                return _shown(response, read_customer(conn, acting.tenant_id, customer))
            return known_customer(conn, acting.tenant_id, customer, known_at).as_resource()


def _add_writing(router: APIRouter, db: Database, machine: Clock, acting_of: ActingOf) -> None:
    @router.post("", status_code=201, summary="Create a customer")
    def create(
        request: Request, body: Annotated[NewCustomer, Body(examples=[_EXAMPLE])]
    ) -> dict[str, Any]:
        """Create a customer.

        Send an `Idempotency-Key` to be able to repeat the request safely.
        """
        acting = acting_of(request, CUSTOMERS_WRITE)

        def perform(conn: Connection, clock: Clock) -> dict[str, Any]:
            return create_customer(conn, clock, acting.tenant_id, body).as_resource()

        asked = body.model_dump(exclude_unset=True)
        return change_once(db, machine, request, acting, asked, perform)

    @router.patch("/{customer}", summary="Change a customer")
    def change(
        request: Request,
        response: Response,
        customer: Reference,
        body: CustomerFacts,
        if_match: IfMatch = None,
    ) -> dict[str, Any]:
        """Change what is sent; `parent` and `user_id` go away with null.

        With `If-Match` nothing is changed unless the customer is still as you read it.
        """
        acting = acting_of(request, CUSTOMERS_WRITE)
        revision = revision_of(if_match)
        with changing(db, machine, acting) as (conn, clock):
            changed = change_customer(conn, clock, acting.tenant_id, customer, body, revision)
            return _shown(response, changed)

    @router.delete("/{customer}", summary="Delete a customer")
    def delete(
        request: Request, response: Response, customer: Reference, if_match: IfMatch = None
    ) -> dict[str, Any]:
        """Let nothing be sold to a customer any more, and forget how to reach it.

        Its invoices stay. Again changes nothing. With `If-Match` only the customer that you read
        is deleted.
        """
        acting = acting_of(request, CUSTOMERS_WRITE)
        revision = revision_of(if_match)
        with changing(db, machine, acting) as (conn, clock):
            gone = delete_customer(conn, clock, acting.tenant_id, customer, revision)
            return _shown(response, gone)


def _shown(response: Response, customer: Customer) -> dict[str, Any]:
    """A customer with its `ETag`."""
    response.headers["ETag"] = etag_of(customer.revision)
    return customer.as_resource()
