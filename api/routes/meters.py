"""`/v1/meters`: create, list, show, relabel and archive."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

import pydantic
from fastapi import APIRouter, Body, Path, Request
from pydantic import BaseModel, ConfigDict

from api.acting import ActingOf, changing
from api.idempotency import change_once
from api.paging import LIMIT_DEFAULT, Archived, Cursor, Limit, cursor_of, page_of, position_of
from catalog.meter_register import (
    find_meter,
    page_of_meters,
    register_meter,
    relabel_meter,
    retire_meter,
)
from core.clock import Clock
from db.postgres import Database
from identity.api_keys import METERS_READ, METERS_WRITE

_EXAMPLE: Final = {
    "slug": "tokens",
    "name": "Tokens",
    "event_type": "llm.request",
    "aggregation": "sum",
    "value": "usage.input + 3 * usage.output",
    "filter": {"path": "model", "in": ["large", "small"]},
    "dimensions": {"model": "model"},
    "unit": "tokens",
    "metadata": {"team": "gateway"},
}
"""A meter's document, shown in the OpenAPI page."""

Document = Annotated[dict[str, Any], Body(examples=[_EXAMPLE])]
Slug = Annotated[str, Path(description="The meter's slug.")]


class Labels(BaseModel):
    """What may change about a meter; what is left out stays."""

    model_config = ConfigDict(extra="forbid", strict=True)
    name: str | None = None
    unit: str | None = None
    metadata: dict[str, str] | None = None


class Archiving(BaseModel):
    """From which instant of event time on nothing counts; now unless given."""

    model_config = ConfigDict(extra="forbid")
    at: pydantic.AwareDatetime | None = None


def create_meters_router(db: Database, machine: Clock, acting_of: ActingOf) -> APIRouter:
    """The routes. `acting_of` says for whom a request works, if it may do what the scope says."""
    router = APIRouter(prefix="/v1/meters", tags=["meters"])
    _add_reading(router, db, acting_of)
    _add_writing(router, db, machine, acting_of)

    return router


def _add_reading(router: APIRouter, db: Database, acting_of: ActingOf) -> None:
    @router.get("", summary="List meters")
    def list_meters(
        request: Request,
        limit: Limit = LIMIT_DEFAULT,
        cursor: Cursor = None,
        archived: Archived = None,
    ) -> dict[str, Any]:
        """The tenant's meters, oldest first. Ask again with `next_cursor` while there is one."""
        acting = acting_of(request, METERS_READ)
        after = position_of(cursor)
        with db.transaction(acting) as conn:
            return page_of(
                lambda count: page_of_meters(
                    conn, acting.tenant_id, after=after, limit=count, archived=archived
                ),
                limit,
                lambda meter: cursor_of(meter.definition.catalog_version),
            )

    @router.get("/{slug}", summary="Show a meter")
    def show_meter(request: Request, slug: Slug) -> dict[str, Any]:
        """One meter, archived or not."""
        acting = acting_of(request, METERS_READ)
        with db.transaction(acting) as conn:
            return find_meter(conn, acting.tenant_id, slug).as_resource()


def _add_writing(router: APIRouter, db: Database, machine: Clock, acting_of: ActingOf) -> None:
    @router.post("", status_code=201, summary="Create a meter")
    def create_meter(request: Request, document: Document) -> dict[str, Any]:
        """Create a meter; its definition is final. It counts past events too, and those that flow.

        Send an `Idempotency-Key` to be able to repeat the request safely.
        """
        acting = acting_of(request, METERS_WRITE)
        return change_once(
            db,
            machine,
            request,
            acting,
            document,
            lambda conn, clock: register_meter(
                conn, clock, acting.tenant_id, document
            ).as_resource(),
        )

    @router.patch("/{slug}", summary="Relabel a meter")
    def relabel(request: Request, slug: Slug, labels: Labels) -> dict[str, Any]:
        """Change name, unit or metadata. What a meter counts never changes: create another one."""
        acting = acting_of(request, METERS_WRITE)
        with changing(db, machine, acting) as (conn, clock):
            return relabel_meter(
                conn,
                clock,
                acting.tenant_id,
                slug,
                name=labels.name,
                unit=labels.unit,
                metadata=labels.metadata,
            ).as_resource()

    @router.post("/{slug}/archive", summary="Archive a meter")
    def archive(request: Request, slug: Slug, archiving: Archiving | None = None) -> dict[str, Any]:
        """Let events at or after an instant not count any more; earlier ones count for ever."""
        acting = acting_of(request, METERS_WRITE)
        at: datetime | None = None if archiving is None else archiving.at
        body = {"at": None if at is None else at.isoformat()}
        return change_once(
            db,
            machine,
            request,
            acting,
            body,
            lambda conn, clock: retire_meter(conn, clock, acting.tenant_id, slug, at).as_resource(),
        )
