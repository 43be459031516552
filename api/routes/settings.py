"""`/v1/settings`: how a tenant wants to be worked for."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Request, Response

from api.acting import ActingOf, changing
from api.revisions import IfMatch, etag_of, revision_of
from core.clock import Clock
from db.postgres import Database
from identity.api_keys import SETTINGS_READ, SETTINGS_WRITE
from identity.settings import change_settings, settings_resource

_EXAMPLE: Final = {"dunning": {"retry_days": [1, 3, 5], "grace_days": 7}}


def create_settings_router(db: Database, machine: Clock, acting_of: ActingOf) -> APIRouter:
    """The routes. `acting_of` says for whom a request works, if it may do what the scope says."""
    router = APIRouter(prefix="/v1/settings", tags=["settings"])

    @router.get("", summary="Show the settings of the tenant")
    def show_settings(request: Request, response: Response) -> dict[str, Any]:
        """What holds, defaults included. Its `ETag` is its revision."""
        acting = acting_of(request, SETTINGS_READ)
        with db.transaction(acting, snapshot=True) as conn:
            shown = settings_resource(conn, acting.tenant_id)
        response.headers["ETag"] = etag_of(shown["revision"])
        return shown

    @router.patch("", summary="Change the settings of the tenant")
    def patch_settings(
        request: Request,
        response: Response,
        body: Annotated[dict[str, Any], Body(examples=[_EXAMPLE])],
        if_match: IfMatch = None,
    ) -> dict[str, Any]:
        """Change what is sent; null goes back to the default. `limits` are the operator's.

        With `If-Match` only what you read is changed.
        """
        acting = acting_of(request, SETTINGS_WRITE)
        revision = revision_of(if_match)
        with changing(db, machine, acting) as (conn, clock):
            shown = change_settings(
                conn, clock, acting.tenant_id, body, actor=acting.actor, revision=revision
            )
        response.headers["ETag"] = etag_of(shown["revision"])
        return shown

    return router
