"""`/v1/changes`: what changed, in the order in which it was committed."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request

from api.acting import ActingOf
from api.event_types import page_schema
from api.paging import cursor_of, position_of
from db.outbox import changes_after
from db.postgres import Database
from identity.api_keys import CHANGES_READ

LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 1_000

Subjects = Annotated[
    list[str] | None,
    Query(alias="subject", description="Only these, such as `meter.created`; repeatable."),
]


def create_changes_router(db: Database, acting_of: ActingOf) -> APIRouter:
    """The route. `acting_of` says for whom a request works, if it may do what the scope says."""
    router = APIRouter(prefix="/v1/changes", tags=["changes"])

    shown = {"description": "Events.", "content": {"application/json": {"schema": page_schema()}}}

    @router.get("", summary="Read what changed", responses={200: shown})
    def list_changes(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
        cursor: Annotated[str | None, Query(description="`next_cursor` of an answer.")] = None,
        subjects: Subjects = None,
    ) -> dict[str, Any]:
        """Events in the order of their commits, the oldest that is kept first.

        Ask again and again with `next_cursor`: no event is missed, and none comes twice. Positions
        are 1, 2, 3, … without a gap. A cursor whose next events were pruned is refused (422).
        """
        acting = acting_of(request, CHANGES_READ)
        after = position_of(cursor)
        with db.transaction(acting) as conn:
            found = changes_after(conn, acting.tenant_id, after, limit, subjects)
        return {
            "data": [event.as_resource() for event in found.events],
            "next_cursor": cursor_of(found.reached),
        }

    return router
