"""What a command would do, and many subscriptions moved to another version of their plan."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from api.acting import ActingOf
from api.paging import id_cursor_of, id_of
from api.usage_connection import UsageConnection
from core.clock import Clock
from core.instants import Instant
from db.postgres import Database
from identity.api_keys import SUBSCRIPTIONS_READ, SUBSCRIPTIONS_WRITE
from invoicing.document import invoice_document
from invoicing.subscription_preview import preview_subscription
from subscriptions.commands.bodies import parse_command
from subscriptions.life.migration import migrate_batch

Name = Annotated[str, Path(description="The subscription's id (`sub_…`) or slug.")]
_PREVIEW = {"command": "change", "plan": "pro", "at": "now"}


class PreviewBody(BaseModel):
    """A command with what belongs to it; without one, the subscription as it is."""

    model_config = ConfigDict(extra="allow", frozen=True)
    command: str | None = None


class MigrationBody(BaseModel):
    """Which version (missing: the newest), and when: `now`, `period_end` of each, or an instant."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    at: Literal["now", "period_end"] | Instant = "period_end"
    dry_run: bool = False
    cursor: str | None = None


def create_subscription_plans_router(
    db: Database, clock: Clock, usage: UsageConnection, acting_of: ActingOf
) -> APIRouter:
    """The routes. `acting_of` says for whom a request works, if it may do what the scope says."""
    router = APIRouter(tags=["subscriptions"])
    _add_preview(router, db, clock, usage, acting_of)
    _add_migration(router, db, clock, acting_of)
    return router


def _add_preview(
    router: APIRouter, db: Database, clock: Clock, usage: UsageConnection, acting_of: ActingOf
) -> None:
    @router.post("/v1/subscriptions/{subscription}/preview", summary="Preview a command")
    def preview(
        request: Request,
        subscription: Name,
        body: Annotated[PreviewBody, Body(examples=[_PREVIEW])],
    ) -> dict[str, Any]:
        """How the subscription would stand, and the invoices up to the end of its period.

        Nothing is changed. Usage counts as far as it is known.
        """
        acting = acting_of(request, SUBSCRIPTIONS_READ)
        given = body.model_extra or {}
        command = None if body.command is None else parse_command(body.command, given)
        found = preview_subscription(db, usage.reader, clock, acting, subscription, command)
        return {
            "subscription": found.subscription.as_resource(),
            "invoices": [invoice_document(invoice) for invoice in found.invoices],
        }


def _add_migration(router: APIRouter, db: Database, clock: Clock, acting_of: ActingOf) -> None:
    @router.post("/v1/plans/{slug}/migrate", summary="Move subscriptions to a version of a plan")
    def migrate(
        request: Request,
        slug: Annotated[str, Path(description="The plan's slug.")],
        body: MigrationBody,
    ) -> dict[str, Any]:
        """Move a batch of the plan's live subscriptions; ask again with `next_cursor`.

        Whoever has the version already is left alone, so a request may be repeated as it is. A
        `dry_run` changes nothing. A changed price reaches who subscribed before by this: activate
        the version, then migrate to it.
        """
        acting = acting_of(request, SUBSCRIPTIONS_WRITE)

        report, last = migrate_batch(
            db,
            clock,
            acting,
            slug,
            number=body.version,
            when=body.at,
            dry_run=body.dry_run,
            after=id_of(body.cursor),
        )
        return {**report.as_resource(), "next_cursor": _cursor(last)}


def _cursor(last: UUID | None) -> str | None:
    return None if last is None else id_cursor_of(last)
