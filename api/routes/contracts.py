"""`/v1/contracts`: what was agreed with a customer beside its plan."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Path, Query, Request

from api.acting import ActingOf
from api.idempotency import change_once
from api.paging import LIMIT_DEFAULT, Cursor, Limit, page_of, slug_cursor_of, slug_of
from core.clock import Clock
from db.postgres import Database
from identity.api_keys import SUBSCRIPTIONS_READ, SUBSCRIPTIONS_WRITE
from subscriptions.contracts.body import EndContractBody, NewContractBody
from subscriptions.contracts.contract import find_contract, page_of_contracts
from subscriptions.contracts.register import create_contract, end_contract
from subscriptions.customers.customer import read_customer

_EXAMPLE: Final = {
    "slug": "contoso-2026",
    "customer": "contoso",
    "subscription": "contoso-standard",
    "start": "2026-01-01T00:00:00Z",
    "end": "2027-01-01T00:00:00Z",
    "minimum": "1000.00",
    "expires": True,
    "prices": [
        {
            "key": "platform",
            "price": {"model": "flat", "amount": "49.00"},
            "end": "2026-07-01T00:00:00Z",
        }
    ],
}
"""A new contract, shown in the OpenAPI page."""

Name = Annotated[str, Path(description="The contract's id (`ctr_…`) or slug.")]
OfCustomer = Annotated[str | None, Query(description="Only those of a customer, by id or slug.")]


def create_contracts_router(db: Database, machine: Clock, acting_of: ActingOf) -> APIRouter:
    """The routes. `acting_of` says for whom a request works, if it may do what the scope says."""
    router = APIRouter(prefix="/v1/contracts", tags=["contracts"])
    _add_reading(router, db, acting_of)
    _add_writing(router, db, machine, acting_of)
    return router


def _add_reading(router: APIRouter, db: Database, acting_of: ActingOf) -> None:
    @router.get("", summary="List contracts")
    def list_contracts(
        request: Request,
        limit: Limit = LIMIT_DEFAULT,
        cursor: Cursor = None,
        customer: OfCustomer = None,
    ) -> dict[str, Any]:
        """The tenant's contracts, by slug. Ask again with `next_cursor` while there is one."""
        acting = acting_of(request, SUBSCRIPTIONS_READ)
        after = slug_of(cursor)
        with db.transaction(acting, snapshot=True) as conn:
            of = None if customer is None else read_customer(conn, acting.tenant_id, customer).id
            return page_of(
                lambda count: page_of_contracts(
                    conn, acting.tenant_id, customer_id=of, after=after, limit=count
                ),
                limit,
                lambda last: slug_cursor_of(last.slug),
            )

    @router.get("/{contract}", summary="Show a contract")
    def show_contract(request: Request, contract: Name) -> dict[str, Any]:
        """A contract with its prices, as it is known now."""
        acting = acting_of(request, SUBSCRIPTIONS_READ)
        with db.transaction(acting, snapshot=True) as conn:
            return find_contract(conn, acting.tenant_id, contract).as_resource()


def _add_writing(router: APIRouter, db: Database, machine: Clock, acting_of: ActingOf) -> None:
    @router.post("", status_code=201, summary="Create a contract")
    def create(
        request: Request, body: Annotated[NewContractBody, Body(examples=[_EXAMPLE])]
    ) -> dict[str, Any]:
        """Agree on prices of a customer's own, a minimum, an end.

        Send an `Idempotency-Key` to be able to repeat the request safely.
        """
        acting = acting_of(request, SUBSCRIPTIONS_WRITE)
        return change_once(
            db,
            machine,
            request,
            acting,
            body.model_dump(mode="json"),
            lambda conn, clock: create_contract(conn, clock, acting.tenant_id, body).as_resource(),
        )

    @router.post("/{contract}/end", summary="End a contract early")
    def end(request: Request, contract: Name, body: EndContractBody) -> dict[str, Any]:
        """End a contract before its term is over; from then on the plan's prices hold again.

        Send an `Idempotency-Key` to be able to repeat the request safely.
        """
        acting = acting_of(request, SUBSCRIPTIONS_WRITE)
        return change_once(
            db,
            machine,
            request,
            acting,
            body.model_dump(mode="json"),
            lambda conn, clock: end_contract(
                conn, clock, acting.tenant_id, contract, body.at
            ).as_resource(),
        )
