"""`/v1/catalog`: all that is measured, given and sold, as one document: read, compared, applied."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Query, Request

from api.acting import ActingOf, changing
from api.idempotency import change_once
from catalog.files.applying import Source, Wish, apply_documents, compare_documents
from catalog.files.document import parse_catalog
from catalog.files.export import catalog_of
from core.clock import Clock
from db.postgres import Connection, Database
from identity.api_keys import CATALOG_READ, CATALOG_WRITE, METERS_READ, METERS_WRITE

_EXAMPLE: Final = {
    "meters": [
        {
            "slug": "tokens",
            "name": "Tokens",
            "event_type": "llm.request",
            "aggregation": "sum",
            "value": "usage.tokens",
        }
    ],
    "features": [{"slug": "sso", "name": "Single sign-on", "kind": "boolean"}],
    "plans": [
        {
            "slug": "standard",
            "name": "Standard",
            "currency": "USD",
            "rate_cards": [
                {
                    "key": "tokens",
                    "name": "Tokens",
                    "meter": "tokens",
                    "price": {"model": "per_unit", "amount": "3.00", "per": 1_000_000},
                }
            ],
            "entitlements": [{"feature": "sso"}],
        }
    ],
}

Document = Annotated[dict[str, Any], Body(examples=[_EXAMPLE])]
Draft = Annotated[bool, Query(description="Write plans as drafts; nothing of them is sold.")]
Prune = Annotated[bool, Query(description="Archive what is sold and is not in the document.")]


def create_catalog_router(db: Database, machine: Clock, acting_of: ActingOf) -> APIRouter:
    """The routes. `acting_of` says for whom a request works, if it may do what the scope says."""
    router = APIRouter(prefix="/v1/catalog", tags=["plans"])

    @router.get("", summary="Show the whole catalog")
    def show_catalog(request: Request) -> dict[str, Any]:
        """Meters, features and plans as they are sold, in the form that `apply` takes.

        What is archived is left out, unless what is sold needs it.
        """
        acting_of(request, METERS_READ)
        acting = acting_of(request, CATALOG_READ)
        with db.transaction(acting, snapshot=True) as conn:
            return dict(catalog_of(conn, acting.tenant_id))

    @router.post("/diff", summary="Compare the catalog with a document")
    def diff(
        request: Request, document: Document, draft: Draft = False, prune: Prune = False
    ) -> dict[str, Any]:
        """What `apply` would do: one finding for each thing, with its differences line by line.

        Nothing is changed. What is `impossible` says why.
        """
        acting_of(request, METERS_READ)
        acting = acting_of(request, CATALOG_READ)
        source, wish = Source(parse_catalog(document)), Wish(draft=draft, prune=prune)
        with changing(db, machine, acting) as (conn, clock):
            return compare_documents(conn, clock, acting.tenant_id, [source], wish).as_resource()

    @router.post("/apply", summary="Make the catalog what a document says")
    def apply(
        request: Request, document: Document, draft: Draft = False, prune: Prune = False
    ) -> dict[str, Any]:
        """All of it, or nothing; the same document again changes nothing.

        Changed plans are sold from now on, in new versions; who bought an earlier one keeps it.
        Send an `Idempotency-Key` to be able to repeat the request safely.
        """
        acting_of(request, METERS_WRITE)
        acting = acting_of(request, CATALOG_WRITE)
        source, wish = Source(parse_catalog(document)), Wish(draft=draft, prune=prune)

        def perform(conn: Connection, clock: Clock) -> dict[str, Any]:
            found = apply_documents(conn, clock, acting.tenant_id, [source], wish)
            return found.as_resource()

        asked = {"document": document, "draft": draft, "prune": prune}
        return change_once(db, machine, request, acting, asked, perform)

    return router
