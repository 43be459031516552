"""What belongs to a customer: whose usage it pays for, and what it pays with."""

from __future__ import annotations

from typing import Annotated, Any, Final

import pydantic
from fastapi import APIRouter, Body, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from api.acting import ActingOf, changing, reading
from api.idempotency import change_once
from api.paging import LIMIT_DEFAULT, Cursor, Limit, id_cursor_of, id_of, page_of
from api.routes.customers import KnownAt, Reference
from core.clock import Clock
from db.postgres import Connection, Database
from identity.api_keys import CUSTOMERS_READ, CUSTOMERS_WRITE
from subscriptions.customers.customer import find_customer, read_customer
from subscriptions.customers.payment_methods import (
    add_payment_method,
    payment_methods_of,
    prefer_payment_method,
    remove_payment_method,
)
from subscriptions.customers.subjects import (
    SINCE_EVER,
    link_subject,
    page_of_subjects,
    unlink_subject,
)

_LINK: Final = {"subject": "contoso-chat", "from": "2026-03-01T00:00:00Z", "move": True}
_METHOD: Final = {"provider": "stripe", "reference": "pm_1Nx", "default": True}

Subject = Annotated[str, Path(description="Who used, as events say it.")]
Method = Annotated[str, Path(description="The payment method's id (`pym_…`).")]


class LinkBody(BaseModel):
    """Whose usage the customer pays for: since ever, or, of one that moves, from now on."""

    model_config = ConfigDict(extra="forbid")
    subject: Annotated[str, Field(strict=True)]
    valid_from: Annotated[pydantic.AwareDatetime | None, Field(alias="from")] = None
    valid_to: Annotated[pydantic.AwareDatetime | None, Field(alias="to")] = None
    move: Annotated[bool, Field(strict=True)] = False


class EndLinkBody(BaseModel):
    """From which instant on the customer does not pay any more; now unless given."""

    model_config = ConfigDict(extra="forbid")
    at: pydantic.AwareDatetime | None = None


class MethodBody(BaseModel):
    """What a payment provider calls a card or an account of the customer's."""

    model_config = ConfigDict(extra="forbid", strict=True)
    provider: str
    reference: str
    default: bool = False


def create_customer_links_router(db: Database, machine: Clock, acting_of: ActingOf) -> APIRouter:
    """The routes. `acting_of` says for whom a request works, if it may do what the scope says."""
    router = APIRouter(prefix="/v1/customers/{customer}", tags=["customers"])
    _add_subjects(router, db, machine, acting_of)
    _add_payment_methods(router, db, machine, acting_of)
    return router


def _add_subjects(router: APIRouter, db: Database, machine: Clock, acting_of: ActingOf) -> None:
    @router.get("/subjects", summary="List a customer's subjects")
    def list_subjects(
        request: Request,
        customer: Reference,
        limit: Limit = LIMIT_DEFAULT,
        cursor: Cursor = None,
        known_at: KnownAt = None,
    ) -> dict[str, Any]:
        """Whose usage the customer pays for, and when, in the order in which it was told."""
        acting = acting_of(request, CUSTOMERS_READ, own=True)
        after = id_of(cursor)
        with reading(db, acting) as conn:
            found = read_customer(conn, acting.tenant_id, customer)
            return page_of(
                lambda count: page_of_subjects(
                    conn, found, after=after, limit=count, known_at=known_at
                ),
                limit,
                lambda link: id_cursor_of(link.id),
            )

    @router.post("/subjects", status_code=201, summary="Link a subject to a customer")
    def link(
        request: Request, customer: Reference, body: Annotated[LinkBody, Body(examples=[_LINK])]
    ) -> dict[str, Any]:
        """Let the customer pay for a subject's usage in `[from, to)`.

        `409` names who pays already. With `move` it is taken over for that time, in one step. Send
        an `Idempotency-Key` to be able to repeat the request safely.
        """
        acting = acting_of(request, CUSTOMERS_WRITE)

        def perform(conn: Connection, clock: Clock) -> dict[str, Any]:
            return link_subject(
                conn,
                clock,
                read_customer(conn, acting.tenant_id, customer),
                body.subject,
                body.valid_from or (clock.now() if body.move else SINCE_EVER),
                body.valid_to,
                move=body.move,
            )[0].as_resource()

        asked = body.model_dump(mode="json")
        return change_once(db, machine, request, acting, asked, perform)

    @router.post("/subjects/{subject:path}/end", summary="End a subject's link")
    def end(
        request: Request, customer: Reference, subject: Subject, body: EndLinkBody | None = None
    ) -> dict[str, Any]:
        """Let the customer pay no more for a subject's usage from an instant on.

        Send an `Idempotency-Key` to be able to repeat the request safely.
        """
        acting = acting_of(request, CUSTOMERS_WRITE)
        at = None if body is None else body.at

        def perform(conn: Connection, clock: Clock) -> dict[str, Any]:
            found = find_customer(conn, acting.tenant_id, customer)
            return unlink_subject(conn, clock, found, subject, at or clock.now()).as_resource()

        asked = {"at": at and at.isoformat()}
        return change_once(db, machine, request, acting, asked, perform)


def _add_payment_methods(
    router: APIRouter, db: Database, machine: Clock, acting_of: ActingOf
) -> None:
    @router.get("/payment-methods", summary="List a customer's payment methods")
    def list_methods(request: Request, customer: Reference) -> dict[str, Any]:
        """What the customer pays with, the oldest first; there are at most 20."""
        acting = acting_of(request, CUSTOMERS_READ, own=True)
        with reading(db, acting) as conn:
            found = read_customer(conn, acting.tenant_id, customer)
            return {"data": [each.as_resource() for each in payment_methods_of(conn, found)]}

    @router.post("/payment-methods", status_code=201, summary="Add a payment method")
    def add(
        request: Request, customer: Reference, body: Annotated[MethodBody, Body(examples=[_METHOD])]
    ) -> dict[str, Any]:
        """Add the name that a provider has for what the customer pays with.

        The first one is the default. Send an `Idempotency-Key` to be able to repeat the request
        safely.
        """
        acting = acting_of(request, CUSTOMERS_WRITE)

        def perform(conn: Connection, clock: Clock) -> dict[str, Any]:
            return add_payment_method(
                conn,
                clock,
                find_customer(conn, acting.tenant_id, customer),
                body.provider,
                body.reference,
                default=body.default,
            ).as_resource()

        asked = body.model_dump()
        return change_once(db, machine, request, acting, asked, perform)

    @router.post("/payment-methods/{method}/default", summary="Prefer a payment method")
    def prefer(request: Request, customer: Reference, method: Method) -> dict[str, Any]:
        """Make a payment method the one that is tried first. Again changes nothing."""
        acting = acting_of(request, CUSTOMERS_WRITE)
        with changing(db, machine, acting) as (conn, clock):
            found = find_customer(conn, acting.tenant_id, customer)
            return prefer_payment_method(conn, clock, found, method).as_resource()

    @router.delete("/payment-methods/{method}", summary="Remove a payment method")
    def remove(request: Request, customer: Reference, method: Method) -> dict[str, Any]:
        """Take a payment method away; the answer is the last that is seen of its reference."""
        acting = acting_of(request, CUSTOMERS_WRITE)
        with changing(db, machine, acting) as (conn, clock):
            found = find_customer(conn, acting.tenant_id, customer)
            return remove_payment_method(conn, clock, found, method).as_resource()
