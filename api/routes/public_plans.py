"""`/v1/public/{tenant}/plans`: what a tenant sells to everybody, without a key.

An answer is kept in memory, and used while nothing of the tenant has changed: the position of its
last change says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from prometheus_client import Counter

from api.acting import request_id
from api.public_tenants import PublicTenants
from catalog.plan_view import page_of_plans, sold_versions
from catalog.prices import content_hash
from core import metric_names
from core.acting import Acting
from core.ids import TenantId
from db.outbox import last_position
from db.postgres import Connection, Database

_KEPT_MAX: Final = 1_000
_PLANS_MAX: Final = 1_000
_ANSWERS: Final = Counter(
    metric_names.PUBLIC_PLANS, "Public lists of plans, from memory or from Postgres.", ("source",)
)
_PUBLIC: Final = "public"
TenantName = Annotated[str, Path(description="The tenant's slug.")]


def create_public_plans_router(db: Database, tenants: PublicTenants) -> APIRouter:
    """The route; `tenants` finds a tenant by its slug."""
    router = APIRouter(prefix="/v1/public", tags=["public"])
    kept: dict[TenantId, _Kept] = {}
    lock = Lock()

    @router.get(
        "/{tenant}/plans",
        summary="List what anybody can buy",
        openapi_extra={"security": []},  # no key needed
    )
    def list_public_plans(request: Request, response: Response, tenant: TenantName) -> Any:
        """The tenant's public plans that are sold, with prices and what they give. No key needed.

        Answers with `304` where `If-None-Match` has the `ETag` of what is current. At most the
        first 1,000 plans, by slug.
        """
        acting = Acting(tenants.find(tenant), _PUBLIC, request_id(request))
        with db.transaction(acting, snapshot=True) as conn:
            position = last_position(conn, acting.tenant_id)
            known = kept.get(acting.tenant_id)
            fresh = known is not None and known.position == position
            found = known if known and fresh else _read(conn, acting.tenant_id, position)
        _ANSWERS.labels("memory" if fresh else "postgres").inc()
        with lock:
            if len(kept) >= _KEPT_MAX:
                kept.clear()
            kept[acting.tenant_id] = found
        headers = {"ETag": found.etag, "Cache-Control": "public, max-age=60"}
        if _matches(request.headers.get("if-none-match", ""), found.etag):
            return Response(status_code=304, headers=headers)
        response.headers.update(headers)
        return found.content

    return router


@dataclass(frozen=True, slots=True)
class _Kept:
    """A list as it was after the tenant's change at `position`."""

    position: int
    content: dict[str, Any]
    etag: str


def _read(conn: Connection, tenant_id: TenantId, position: int) -> _Kept:
    content = _content(conn, tenant_id)
    return _Kept(position, content, f'"{content_hash(content)[:32]}"')


def _matches(if_none_match: str, etag: str) -> bool:
    """Whether a list of tags has this one, weak or strong."""
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return bool(tags & {etag, "*"})


def _content(conn: Connection, tenant_id: TenantId) -> dict[str, Any]:
    plans = page_of_plans(conn, tenant_id, limit=_PLANS_MAX, archived=False, public=True)
    versions = sold_versions(conn, tenant_id, plans)
    return {
        "data": [
            {
                "slug": plan.slug,
                "name": plan.name,
                "description": plan.description,
                "version": plan.sold,
                "currency": versions[plan.slug]["currency"],
                "currencies": versions[plan.slug]["currencies"],
                "prices": plan.prices,
                "rate_cards": versions[plan.slug]["rate_cards"],
                "phases": versions[plan.slug]["phases"],
                "entitlements": versions[plan.slug]["entitlements"],
            }
            for plan in plans
            if plan.slug in versions
        ]
    }
