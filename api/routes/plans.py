"""`/v1/plans`: written as drafts, activated as versions, archived."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Path, Request, Response
from pydantic import BaseModel, ConfigDict

from api.acting import ActingOf, changing
from api.idempotency import change_once
from api.paging import LIMIT_DEFAULT, Archived, Cursor, Limit, page_of, slug_cursor_of, slug_of
from api.revisions import IfMatch, etag_of, revision_of
from catalog.plan_catalog import (
    PlanLabels,
    activate_draft,
    archive_plan,
    change_plan,
    create_plan,
    write_draft,
)
from catalog.plan_terms import PlanKind
from catalog.plan_view import Plan, find_plan, find_version, page_of_plans
from core.clock import Clock
from db.postgres import Connection, Database
from identity.api_keys import CATALOG_READ, CATALOG_WRITE

_CONTENT: Final = {
    "currency": "USD",
    "rate_cards": [
        {
            "key": "platform",
            "name": "Platform",
            "price": {"model": "flat", "amount": "99.00"},
            "prices": {"EUR": {"model": "flat", "amount": "89.00"}},
        },
        {
            "key": "tokens",
            "name": "Tokens",
            "meter": "tokens",
            "price": {"model": "per_unit", "amount": "3.00", "per": 1_000_000},
            "prices": {"EUR": {"model": "per_unit", "amount": "2.80", "per": 1_000_000}},
        },
    ],
    "phases": [
        {"key": "trial", "name": "Trial", "lasts": "P14D", "trial": True},
        {
            "key": "ramp",
            "name": "Ramp",
            "lasts": "P3M",
            "prices": [
                {
                    "key": "platform",
                    "price": {"model": "flat", "amount": "49.00"},
                    "prices": {"EUR": {"model": "flat", "amount": "44.00"}},
                }
            ],
        },
    ],
    "entitlements": [{"feature": "tokens", "limit": "1000000", "hard": True}],
}
_EXAMPLE: Final = {"slug": "standard", "name": "Standard", "public": True, "draft": _CONTENT}

Slug = Annotated[str, Path(description="The plan's slug.")]
Content = Annotated[dict[str, Any], Body(examples=[_CONTENT])]


class LabelsBody(BaseModel):
    """What may change about a plan at any time; what is left out stays."""

    model_config = ConfigDict(extra="forbid", strict=True)
    name: str | None = None
    description: str | None = None
    public: bool | None = None
    metadata: dict[str, str] | None = None

    def labels(self) -> PlanLabels:
        """As the catalog takes them."""
        return PlanLabels(self.name, self.description, self.public, self.metadata)


class PlanBody(LabelsBody):
    """A new plan, or an add-on; `draft` is what it is going to sell."""

    slug: str
    kind: PlanKind = "plan"
    draft: dict[str, Any] | None = None


def create_plans_router(db: Database, machine: Clock, acting_of: ActingOf) -> APIRouter:
    """The routes. `acting_of` says for whom a request works, if it may do what the scope says."""
    router = APIRouter(prefix="/v1/plans", tags=["plans"])
    _add_reading(router, db, acting_of)
    _add_writing(router, db, machine, acting_of)
    _add_life(router, db, machine, acting_of)
    return router


def _add_reading(router: APIRouter, db: Database, acting_of: ActingOf) -> None:
    @router.get("", summary="List plans")
    def list_plans(
        request: Request,
        limit: Limit = LIMIT_DEFAULT,
        cursor: Cursor = None,
        archived: Archived = None,
    ) -> dict[str, Any]:
        """The tenant's plans, by slug. Ask again with `next_cursor` while there is one."""
        acting = acting_of(request, CATALOG_READ)
        after = slug_of(cursor)
        with db.transaction(acting) as conn:
            return page_of(
                lambda count: page_of_plans(
                    conn, acting.tenant_id, after=after, limit=count, archived=archived
                ),
                limit,
                lambda plan: slug_cursor_of(plan.slug),
            )

    @router.get("/{slug}", summary="Show a plan")
    def show_plan(request: Request, slug: Slug) -> dict[str, Any]:
        """One plan with its draft, archived or not."""
        acting = acting_of(request, CATALOG_READ)
        with db.transaction(acting) as conn:
            return find_plan(conn, acting.tenant_id, slug).as_resource()

    @router.get("/{slug}/draft", summary="Show a plan's draft")
    def show_draft(request: Request, response: Response, slug: Slug) -> dict[str, Any]:
        """What the next version is going to sell and give; null while nothing is written.

        Its `ETag` is the revision, which grows with every change of the draft.
        """
        acting = acting_of(request, CATALOG_READ)
        with db.transaction(acting) as conn:
            return _shown(response, find_plan(conn, acting.tenant_id, slug))

    @router.get("/{slug}/versions/{number}", summary="Show a version of a plan")
    def show_version(
        request: Request, slug: Slug, number: Annotated[int, Path(ge=1, le=2**31 - 1)]
    ) -> dict[str, Any]:
        """What a version sells and gives. It says the same for ever, but for its status."""
        acting = acting_of(request, CATALOG_READ)
        with db.transaction(acting, snapshot=True) as conn:
            return find_version(conn, acting.tenant_id, slug, number)


def _add_writing(router: APIRouter, db: Database, machine: Clock, acting_of: ActingOf) -> None:
    @router.post("", status_code=201, summary="Create a plan")
    def create(
        request: Request, body: Annotated[PlanBody, Body(examples=[_EXAMPLE])]
    ) -> dict[str, Any]:
        """Create a plan. Nothing is sold before its draft is activated.

        Send an `Idempotency-Key` to be able to repeat the request safely.
        """
        acting = acting_of(request, CATALOG_WRITE)

        def perform(conn: Connection, clock: Clock) -> dict[str, Any]:
            return create_plan(
                conn, clock, acting.tenant_id, body.slug, body.labels(), body.draft, body.kind
            ).as_resource()

        asked = body.model_dump()
        return change_once(db, machine, request, acting, asked, perform)

    @router.patch("/{slug}", summary="Relabel a plan")
    def relabel(request: Request, slug: Slug, body: LabelsBody) -> dict[str, Any]:
        """Change name, description, metadata, or whether the plan is listed in public."""
        acting = acting_of(request, CATALOG_WRITE)
        with changing(db, machine, acting) as (conn, clock):
            return change_plan(conn, clock, acting.tenant_id, slug, body.labels()).as_resource()

    @router.put("/{slug}/draft", summary="Write a plan's draft")
    def put_draft(
        request: Request,
        response: Response,
        slug: Slug,
        content: Content,
        if_match: IfMatch = None,
    ) -> dict[str, Any]:
        """Say what the next version sells and gives. It is checked now, and sold when activated.

        With `If-Match` the draft is only replaced if it is the one that you read.
        """
        acting = acting_of(request, CATALOG_WRITE)
        revision = revision_of(if_match)
        with changing(db, machine, acting) as (conn, clock):
            plan = write_draft(conn, clock, acting.tenant_id, slug, content, revision)
            return _shown(response, plan)


def _add_life(router: APIRouter, db: Database, machine: Clock, acting_of: ActingOf) -> None:
    @router.post("/{slug}/activate", summary="Sell a plan's draft")
    def activate(request: Request, slug: Slug, if_match: IfMatch = None) -> dict[str, Any]:
        """Make the draft the plan's next version; the one before is archived.

        Who bought it keeps it. With `If-Match` only the draft that you read is sold. Send an
        `Idempotency-Key` to be able to repeat the request safely.
        """
        acting = acting_of(request, CATALOG_WRITE)
        revision = revision_of(if_match)

        def perform(conn: Connection, clock: Clock) -> dict[str, Any]:
            return activate_draft(conn, clock, acting.tenant_id, slug, revision).as_resource()

        asked = {"if_match": if_match}
        return change_once(db, machine, request, acting, asked, perform)

    @router.post("/{slug}/archive", summary="Sell a plan no more")
    def archive(request: Request, slug: Slug) -> dict[str, Any]:
        """Let nobody buy the plan any more; subscriptions go on. Again changes nothing."""
        acting = acting_of(request, CATALOG_WRITE)
        with changing(db, machine, acting) as (conn, clock):
            return archive_plan(conn, clock, acting.tenant_id, slug).as_resource()


def _shown(response: Response, plan: Plan) -> dict[str, Any]:
    """A draft with its `ETag`."""
    response.headers["ETag"] = etag_of(plan.draft_revision)
    return {"plan": plan.slug, "revision": plan.draft_revision, "content": plan.draft}
