"""`/v1/public/{tenant}/plans`: what a tenant sells to everybody, without a key.

An answer is kept in memory, and used while nothing of the tenant has changed: the position of its
last change says so.
"""

from __future__ import annotations

from threading import Lock
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from prometheus_client import Counter

from api.acting import request_id
from api.public_tenants import PublicTenants
from catalog.plan_catalog import find_version, page_of_plans
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
    kept: dict[TenantId, tuple[int, dict[str, Any]]] = {}
    lock = Lock()

    @router.get("/{tenant}/plans", summary="List what anybody can buy")
    def list_public_plans(request: Request, response: Response, tenant: TenantName) -> Any:
        """The tenant's public plans that are sold, with prices and what they give. No key needed.

        Answers with `304` where `If-None-Match` has the `ETag` of what is current.
        """
        acting = Acting(tenants.find(tenant), _PUBLIC, request_id(request))
        with db.transaction(acting, snapshot=True) as conn:
            position = last_position(conn, acting.tenant_id)
            known = kept.get(acting.tenant_id)
            fresh = known is not None and known[0] == position
            content = known[1] if known and fresh else _content(conn, acting.tenant_id)
        _ANSWERS.labels("memory" if fresh else "postgres").inc()
        with lock:
            if len(kept) >= _KEPT_MAX:
                kept.clear()
            kept[acting.tenant_id] = (position, content)
        etag = f'"{position}"'
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers={"ETag": etag})
        response.headers["ETag"] = etag
        response.headers["Cache-Control"] = "public, max-age=60"
        return content

    return router


def _content(conn: Connection, tenant_id: TenantId) -> dict[str, Any]:
    plans = page_of_plans(conn, tenant_id, limit=_PLANS_MAX, archived=False, public=True)
    data = []
    for plan in plans:
        if plan.sold is None:
            continue
        version = find_version(conn, tenant_id, plan.slug, plan.sold)
        data.append(
            {
                "slug": plan.slug,
                "name": plan.name,
                "description": plan.description,
                "version": plan.sold,
                "currency": version["currency"],
                "prices": plan.prices,
                "rate_cards": version["rate_cards"],
                "entitlements": version["entitlements"],
            }
        )
    return {"data": data}
