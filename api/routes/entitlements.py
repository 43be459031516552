"""`/v1/customers/{customer}/entitlements`: what a customer may use; overrides and grants of it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Body, Path, Query, Request

from api.acting import ActingOf, changing
from api.idempotency import change_once
from api.paging import LIMIT_DEFAULT, Cursor, Limit, id_cursor_of, id_of, page_of, slug_of
from api.paging import slug_cursor_of as feature_cursor_of
from api.routes.customers import Reference
from core.clock import Clock
from core.quantities import parse_quantity
from db.postgres import Database
from entitlements.answers import answer_of
from entitlements.bodies import EndBody, NewGrantBody, NewOverrideBody
from entitlements.extras import create_grant, create_override, end_grant, end_override
from entitlements.facts import Grant, Override, grants_of, overrides_of
from entitlements.measuring import Measured, Measuring
from entitlements.memory import Memory, Question
from identity.api_keys import ENTITLEMENTS_READ, ENTITLEMENTS_WRITE
from subscriptions.customers.customer import read_customer

_OVERRIDE: Final = {
    "feature": "requests",
    "limit": "50000",
    "hard": True,
    "end": "2027-01-01T00:00:00Z",
}
_GRANT: Final = {
    "feature": "requests",
    "quantity": "1000",
    "priority": 10,
    "end": "2026-12-31T00:00:00Z",
}
_Extra = TypeVar("_Extra", Override, Grant)

Feature = Annotated[str, Path(description="The feature's slug.")]
ExtraId = Annotated[str, Path(description="Its id.")]
Asked = Annotated[
    str | None, Query(description="Whether so much more may be used; any at all unless given.")
]


def create_entitlements_router(
    db: Database, clock: Clock, memory: Memory, measuring: Measuring, acting_of: ActingOf
) -> APIRouter:
    """The routes. `acting_of` says for whom a request works, if it may do what the scope says."""
    router = APIRouter(prefix="/v1/customers/{customer}", tags=["entitlements"])
    _add_checks(router, clock, memory, measuring, acting_of)
    _add_overrides(router, db, clock, acting_of)
    _add_grants(router, db, clock, acting_of)
    return router


def _add_checks(
    router: APIRouter, clock: Clock, memory: Memory, measuring: Measuring, acting_of: ActingOf
) -> None:
    @router.get("/entitlements", summary="List what a customer may use")
    def list_entitlements(
        request: Request, customer: Reference, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None
    ) -> dict[str, Any]:
        """How the customer stands with each feature that something of its gives, by slug."""
        acting = acting_of(request, ENTITLEMENTS_READ)
        after = slug_of(cursor)
        names = [name for name in measuring.features_of(acting, customer) if name > after]
        found = [
            _known(memory, Question(acting.tenant_id, customer, name)) for name in names[:limit]
        ]
        return {
            "data": [answer_of(each, clock.now(), Decimal(0)) for each in found],
            "next_cursor": feature_cursor_of(names[limit - 1]) if len(names) > limit else None,
        }

    @router.get("/entitlements/{feature}", summary="Check whether a customer may use a feature")
    def check(
        request: Request, customer: Reference, feature: Feature, quantity: Asked = None
    ) -> dict[str, Any]:
        """Whether it may, and its limit, use and rest; told from memory, at most 3 seconds old.

        What was used counts within 5 seconds of its event. `age_seconds` says how old the answer
        is; only while a server is away it is older, up to 60 seconds, then there is none (503).
        """
        acting = acting_of(request, ENTITLEMENTS_READ)
        asked = Decimal(0) if quantity is None else parse_quantity(quantity, "quantity")
        known = _known(memory, Question(acting.tenant_id, customer, feature))
        return answer_of(known, clock.now(), asked)


def _known(memory: Memory, question: Question) -> Measured:
    return memory.peek(question) or memory.read(question)


def _add_overrides(router: APIRouter, db: Database, machine: Clock, acting_of: ActingOf) -> None:
    @router.get("/overrides", summary="List a customer's overrides")
    def list_overrides(
        request: Request, customer: Reference, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None
    ) -> dict[str, Any]:
        """What is given instead of what plans give, the oldest first, past ones too."""
        acting = acting_of(request, ENTITLEMENTS_READ)
        with db.transaction(acting, snapshot=True) as conn:
            found = overrides_of(conn, read_customer(conn, acting.tenant_id, customer))
        return _page(found, limit, cursor)

    @router.post("/overrides", status_code=201, summary="Override what a customer is given")
    def override(
        request: Request,
        customer: Reference,
        body: Annotated[NewOverrideBody, Body(examples=[_OVERRIDE])],
    ) -> dict[str, Any]:
        """Give the customer something else of a feature than its plans do, or nothing.

        Send an `Idempotency-Key` to be able to repeat the request safely.
        """
        acting = acting_of(request, ENTITLEMENTS_WRITE)
        return change_once(
            db,
            machine,
            request,
            acting,
            body.model_dump(mode="json"),
            lambda conn, clock: create_override(
                conn, clock, acting.tenant_id, customer, body
            ).as_resource(),
        )

    @router.post("/overrides/{override}/end", summary="End an override")
    def end(
        request: Request, customer: Reference, override: ExtraId, body: EndBody
    ) -> dict[str, Any]:
        """End it at an instant, now unless given; from then on the plans hold again."""
        acting = acting_of(request, ENTITLEMENTS_WRITE)
        with changing(db, machine, acting) as (conn, clock):
            return _ended(
                end_override(conn, clock, acting.tenant_id, customer, override, body.at), override
            )


def _add_grants(router: APIRouter, db: Database, machine: Clock, acting_of: ActingOf) -> None:
    @router.get("/grants", summary="List a customer's grants")
    def list_grants(
        request: Request, customer: Reference, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None
    ) -> dict[str, Any]:
        """What is given beyond the limits, the oldest first, past ones too."""
        acting = acting_of(request, ENTITLEMENTS_READ)
        with db.transaction(acting, snapshot=True) as conn:
            found = grants_of(conn, read_customer(conn, acting.tenant_id, customer))
        return _page(found, limit, cursor)

    @router.post("/grants", status_code=201, summary="Grant a customer more of a feature")
    def grant(
        request: Request,
        customer: Reference,
        body: Annotated[NewGrantBody, Body(examples=[_GRANT])],
    ) -> dict[str, Any]:
        """Give the customer so much more of a metered feature, once.

        Send an `Idempotency-Key` to be able to repeat the request safely.
        """
        acting = acting_of(request, ENTITLEMENTS_WRITE)
        return change_once(
            db,
            machine,
            request,
            acting,
            body.model_dump(mode="json"),
            lambda conn, clock: create_grant(
                conn, clock, acting.tenant_id, customer, body
            ).as_resource(),
        )

    @router.post("/grants/{grant}/end", summary="End a grant")
    def end(request: Request, customer: Reference, grant: ExtraId, body: EndBody) -> dict[str, Any]:
        """End it at an instant, now unless given; what is left of it is lost."""
        acting = acting_of(request, ENTITLEMENTS_WRITE)
        with changing(db, machine, acting) as (conn, clock):
            return _ended(end_grant(conn, clock, acting.tenant_id, customer, grant, body.at), grant)


def _page(found: Sequence[_Extra], limit: int, cursor: str | None) -> dict[str, Any]:
    after = id_of(cursor)
    ordered = sorted(found, key=lambda each: each.id)
    rest = [each for each in ordered if after is None or each.id > after]
    return page_of(lambda count: rest[:count], limit, lambda last: id_cursor_of(last.id))


def _ended(left: Override | Grant | None, name: str) -> dict[str, Any]:
    """As it is known now; one that was ended before it began has never held."""
    return {"id": name, "ended": True, "held": None if left is None else left.as_resource()}
