"""`/v1/features`: what plans give, and what is used of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import pydantic
from fastapi import APIRouter, Body, Path, Query, Request
from pydantic import BaseModel, ConfigDict

from api.acting import ActingOf, changing
from api.idempotency import change_once
from api.paging import LIMIT_DEFAULT, Archived, Cursor, Limit, page_of, slug_cursor_of, slug_of
from api.usage_connection import UsageConnection
from catalog.features import (
    archive_feature,
    change_feature,
    create_feature,
    find_feature,
    page_of_features,
)
from catalog.meter_register import find_meter_by_id
from core.clock import Clock
from core.errors import BusinessLogicError, ValidationError
from core.period import Period
from db.postgres import Connection, Database
from identity.api_keys import CATALOG_READ, CATALOG_WRITE
from usage.feature_use import feature_use

_EXAMPLE: Final = {"slug": "tokens", "name": "Tokens", "kind": "metered", "meter": "tokens"}
Slug = Annotated[str, Path(description="The feature's slug.")]
EventTime = Annotated[
    pydantic.AwareDatetime,
    Query(),
    pydantic.Field(ge=datetime(1970, 1, 1, tzinfo=UTC), le=datetime(2100, 1, 1, tzinfo=UTC)),
]


class FeatureBody(BaseModel):
    """A new feature; `meter` is what a metered one counts."""

    model_config = ConfigDict(extra="forbid", strict=True)
    slug: str
    name: str | None = None
    kind: str
    meter: str | None = None
    metadata: dict[str, str] | None = None


class FeatureLabels(BaseModel):
    """What may change about a feature; what is left out stays."""

    model_config = ConfigDict(extra="forbid", strict=True)
    name: str | None = None
    metadata: dict[str, str] | None = None


def create_features_router(
    db: Database, machine: Clock, usage: UsageConnection, acting_of: ActingOf
) -> APIRouter:
    """The routes. `acting_of` says for whom a request works, if it may do what the scope says."""
    router = APIRouter(prefix="/v1/features", tags=["features"])
    _add_reading(router, db, acting_of)
    _add_usage(router, db, usage, acting_of)
    _add_writing(router, db, machine, acting_of)
    return router


def _add_reading(router: APIRouter, db: Database, acting_of: ActingOf) -> None:
    @router.get("", summary="List features")
    def list_features(
        request: Request,
        limit: Limit = LIMIT_DEFAULT,
        cursor: Cursor = None,
        archived: Archived = None,
    ) -> dict[str, Any]:
        """The tenant's features, by slug. Ask again with `next_cursor` while there is one."""
        acting = acting_of(request, CATALOG_READ)
        after = slug_of(cursor)
        with db.transaction(acting) as conn:
            return page_of(
                lambda count: page_of_features(
                    conn, acting.tenant_id, after=after, limit=count, archived=archived
                ),
                limit,
                lambda feature: slug_cursor_of(feature.slug),
            )

    @router.get("/{slug}", summary="Show a feature")
    def show_feature(request: Request, slug: Slug) -> dict[str, Any]:
        """One feature, archived or not."""
        acting = acting_of(request, CATALOG_READ)
        with db.transaction(acting) as conn:
            return find_feature(conn, acting.tenant_id, slug).as_resource()


def _add_usage(
    router: APIRouter, db: Database, usage: UsageConnection, acting_of: ActingOf
) -> None:
    @router.get("/{slug}/usage", summary="Show what was used of a feature")
    def show_usage(
        request: Request,
        slug: Slug,
        start: EventTime,
        end: EventTime,
        subject: Annotated[list[str] | None, Query(description="Of these alone.")] = None,
    ) -> dict[str, Any]:
        """The usage of a metered feature in `[start, end)`, by subject, as exact decimals."""
        acting = acting_of(request, CATALOG_READ)
        if start >= end:
            raise ValidationError("end: must lie after start", field="end")
        with db.transaction(acting) as conn:
            feature = find_feature(conn, acting.tenant_id, slug)
            if feature.meter_id is None:
                raise BusinessLogicError(
                    f"feature: {slug!r} is {feature.kind}, so nothing is counted", field="slug"
                )
            meter = find_meter_by_id(conn, acting.tenant_id, feature.meter_id).definition
        return feature_use(usage.reader(), meter, Period(start, end), subject)


def _add_writing(router: APIRouter, db: Database, machine: Clock, acting_of: ActingOf) -> None:
    @router.post("", status_code=201, summary="Create a feature")
    def create(
        request: Request, body: Annotated[FeatureBody, Body(examples=[_EXAMPLE])]
    ) -> dict[str, Any]:
        """Create a feature; what it is stays.

        Send an `Idempotency-Key` to be able to repeat the request safely.
        """
        acting = acting_of(request, CATALOG_WRITE)

        def perform(conn: Connection, clock: Clock) -> dict[str, Any]:
            return create_feature(
                conn,
                clock,
                acting.tenant_id,
                slug=body.slug,
                name=body.name or body.slug,
                kind=body.kind,
                meter=body.meter,
                metadata=body.metadata,
            ).as_resource()

        asked = body.model_dump()
        return change_once(db, machine, request, acting, asked, perform)

    @router.patch("/{slug}", summary="Relabel a feature")
    def relabel(request: Request, slug: Slug, labels: FeatureLabels) -> dict[str, Any]:
        """Change name or metadata. What a feature is never changes: create another one."""
        acting = acting_of(request, CATALOG_WRITE)
        with changing(db, machine, acting) as (conn, clock):
            return change_feature(
                conn,
                clock,
                acting.tenant_id,
                slug,
                name=labels.name,
                metadata=labels.metadata,
            ).as_resource()

    @router.post("/{slug}/archive", summary="Archive a feature")
    def archive(request: Request, slug: Slug) -> dict[str, Any]:
        """Let no new plan version give it; those that do go on. Again changes nothing."""
        acting = acting_of(request, CATALOG_WRITE)
        with changing(db, machine, acting) as (conn, clock):
            return archive_feature(conn, clock, acting.tenant_id, slug).as_resource()
