"""`/v1/subscriptions`: created, shown, listed, changed by commands."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Path, Query, Request, Response

from api.acting import ActingOf, reading
from api.idempotency import change_once
from api.paging import (
    LIMIT_DEFAULT,
    Cursor,
    Limit,
    cursor_of,
    page_of,
    position_of,
    slug_cursor_of,
    slug_of,
)
from api.revisions import IfMatch, etag_of, revision_of
from core.clock import Clock
from db.postgres import Connection, Database
from identity.api_keys import SUBSCRIPTIONS_READ, SUBSCRIPTIONS_WRITE
from identity.sandboxes import clock_of
from subscriptions.commands.bodies import BODIES, CommandBody
from subscriptions.customers.customer import read_customer
from subscriptions.life.bought import bought
from subscriptions.life.change_history import changes_of
from subscriptions.life.lifecycle import Status
from subscriptions.life.new_body import NewSubscriptionBody
from subscriptions.life.operate import perform
from subscriptions.life.subscription import Subscription, find_subscription, page_of_subscriptions

_EXAMPLE: Final = {
    "slug": "contoso-standard",
    "customer": "contoso",
    "plan": "standard",
    "trial_days": 14,
}

Name = Annotated[str, Path(description="The subscription's id (`sub_…`) or slug.")]
OfCustomer = Annotated[str | None, Query(description="Only those of a customer, by slug.")]
OfStatus = Annotated[Status | None, Query(description="Only those in this state.")]


def create_subscriptions_router(db: Database, machine: Clock, acting_of: ActingOf) -> APIRouter:
    """The routes. `acting_of` says for whom a request works, if it may do what the scope says."""
    router = APIRouter(prefix="/v1/subscriptions", tags=["subscriptions"])
    _add_reading(router, db, machine, acting_of)
    _add_creating(router, db, machine, acting_of)
    for name, body in BODIES.items():
        _add_command(router, db, machine, acting_of, name, body)
    return router


def _add_reading(router: APIRouter, db: Database, machine: Clock, acting_of: ActingOf) -> None:
    @router.get("", summary="List subscriptions")
    def list_subscriptions(
        request: Request,
        limit: Limit = LIMIT_DEFAULT,
        cursor: Cursor = None,
        customer: OfCustomer = None,
        status: OfStatus = None,
    ) -> dict[str, Any]:
        """The tenant's subscriptions, by slug. Ask again with `next_cursor` while there is one."""
        acting = acting_of(request, SUBSCRIPTIONS_READ, own=True)
        after = slug_of(cursor)
        with reading(db, acting) as conn:
            of = None if customer is None else read_customer(conn, acting.tenant_id, customer).id

            def fetch(count: int) -> list[Subscription]:
                return page_of_subscriptions(
                    conn,
                    acting.tenant_id,
                    customer_id=of,
                    status=status,
                    after=after,
                    limit=count,
                )

            return page_of(fetch, limit, lambda last: slug_cursor_of(last.slug))

    @router.get("/{subscription}", summary="Show a subscription")
    def show_subscription(
        request: Request, response: Response, subscription: Name
    ) -> dict[str, Any]:
        """How a subscription stands, and what is planned. Its `ETag` is its revision."""
        acting = acting_of(request, SUBSCRIPTIONS_READ, own=True)
        with reading(db, acting) as conn:
            return _shown(response, find_subscription(conn, acting.tenant_id, subscription))

    @router.get("/{subscription}/bought", summary="Show what a subscription buys")
    def show_bought(request: Request, subscription: Name) -> dict[str, Any]:
        """The lines and entitlements of its plan and add-ons, with their agreed quantities, now."""
        acting = acting_of(request, SUBSCRIPTIONS_READ)
        with db.transaction(acting, snapshot=True) as conn:
            clock = clock_of(conn, machine, acting.tenant_id)
            found = find_subscription(conn, acting.tenant_id, subscription)
            return bought(conn, found, clock.now())

    @router.get("/{subscription}/changes", summary="List what became of a subscription")
    def list_subscription_changes(
        request: Request, subscription: Name, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None
    ) -> dict[str, Any]:
        """Its changes in their order: before, after, who, when."""
        acting = acting_of(request, SUBSCRIPTIONS_READ, own=True)
        after = position_of(cursor)
        with reading(db, acting) as conn:
            found = find_subscription(conn, acting.tenant_id, subscription)
            return page_of(
                lambda count: changes_of(
                    conn, acting.tenant_id, found.id, after=after, limit=count
                ),
                limit,
                lambda last: cursor_of(last.revision),
            )


def _add_creating(router: APIRouter, db: Database, machine: Clock, acting_of: ActingOf) -> None:
    @router.post("", status_code=201, summary="Create a subscription")
    def create(
        request: Request, body: Annotated[NewSubscriptionBody, Body(examples=[_EXAMPLE])]
    ) -> dict[str, Any]:
        """Subscribe a customer to a plan.

        Send an `Idempotency-Key` to be able to repeat the request safely.
        """
        acting = acting_of(request, SUBSCRIPTIONS_WRITE)
        return change_once(
            db,
            machine,
            request,
            acting,
            body.model_dump(mode="json"),
            lambda conn, clock: body.create(conn, clock, acting.tenant_id).as_resource(),
        )


def _add_command(
    router: APIRouter,
    db: Database,
    machine: Clock,
    acting_of: ActingOf,
    name: str,
    body_model: type[CommandBody],
) -> None:
    words = name.replace("_", " ")

    def operate(
        request: Request,
        response: Response,
        subscription: Name,
        body: CommandBody,
        if_match: IfMatch = None,
    ) -> dict[str, Any]:
        acting = acting_of(request, SUBSCRIPTIONS_WRITE)
        revision = revision_of(if_match)

        def once(conn: Connection, clock: Clock) -> dict[str, Any]:
            command = body.resolve(conn, acting.tenant_id)
            return perform(
                conn,
                clock,
                acting.tenant_id,
                subscription,
                command,
                as_of=body.as_of,
                revision=revision,
            ).as_resource()

        asked = {**body.model_dump(mode="json"), "if_match": if_match}
        shown = change_once(db, machine, request, acting, asked, once)
        response.headers["ETag"] = etag_of(shown["revision"])
        return shown

    operate.__annotations__["body"] = body_model
    operate.__doc__ = (
        f"{body_model.__doc__}\n\nWith `If-Match` only what you read is changed. Send an"
        " `Idempotency-Key` to be able to repeat the request safely."
    )
    operate.__name__ = f"{name}_subscription"
    path = f"/{{subscription}}/{name.replace('_', '-')}"
    summary = "Report a payment" if name == "payment" else f"{words.capitalize()} a subscription"
    router.post(path, summary=summary)(operate)


def _shown(response: Response, subscription: Subscription) -> dict[str, Any]:
    response.headers["ETag"] = etag_of(subscription.revision)
    return subscription.as_resource()
