"""`/v1/sandbox`: where the time of a sandbox stands, moved on."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel, ConfigDict, Field

from api.acting import ActingOf
from api.usage_connection import UsageConnection
from core.clock import Clock
from core.endpoints import Endpoints
from core.instants import Instant
from corrections.covering import covering_cut
from db.postgres import Database
from identity.api_keys import SANDBOX_READ, SANDBOX_WRITE
from identity.sandboxes import find_sandbox
from invoicing.sandbox_walk import SandboxWalker, parse_step
from usage.reader import UsageReader

WALK_SECONDS: Final = 10.0
"""After so long a request answers, wherever the clock stands by then."""

_COVER_SECONDS: Final = 30.0
_EXAMPLE: Final = {"to": "2027-01-01T00:00:00Z"}


class AdvanceBody(BaseModel):
    """To which instant; with a `step` such as `P1D`, the clock stops at its multiples only."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    to: Instant
    step: Annotated[str, Field(max_length=20)] | None = None


def create_sandbox_router(
    db: Database,
    billing: Database,
    clock: Clock,
    endpoints: Endpoints,
    usage: UsageConnection,
    acting_of: ActingOf,
) -> APIRouter:
    """The routes. `acting_of` says for whom a request works, if it may do what the scope says."""
    router = APIRouter(prefix="/v1/sandbox", tags=["sandbox"])

    def open_usage() -> UsageReader:
        reader = usage.reader()
        covering_cut(endpoints, clock, reader.cut, _COVER_SECONDS)
        return reader

    walker = SandboxWalker(db, billing, open_usage, clock)

    @router.get("", summary="Show where the time of a sandbox stands")
    def show_sandbox(request: Request) -> dict[str, Any]:
        """The clock of the tenant; one for production has none: `422`, `not_a_sandbox`."""
        acting = acting_of(request, SANDBOX_READ)
        with db.transaction(acting, snapshot=True) as conn:
            return find_sandbox(conn, acting.tenant_id).as_resource()

    @router.post("/advance", summary="Move the time of a sandbox on")
    def advance_sandbox(
        request: Request, body: Annotated[AdvanceBody, Body(examples=[_EXAMPLE])]
    ) -> dict[str, Any]:
        """Do what comes by itself up to an instant, and tell what happened.

        Answers after some ten seconds: while `reached` is false, send the same again. It goes on
        where it stopped, and never does anything twice.
        """
        acting = acting_of(request, SANDBOX_WRITE)
        step = None if body.step is None else parse_step(body.step)
        return walker.walk(acting, body.to, step, WALK_SECONDS).as_resource()

    return router
