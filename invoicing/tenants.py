"""The tenants whose periods are closed, with their terms."""

from __future__ import annotations

from dataclasses import dataclass

import sql
from core.errors import NotFoundError
from core.ids import TenantId
from db.postgres import Connection
from invoicing.settings import TenantTerms, tenant_terms


@dataclass(frozen=True, slots=True)
class BillingTenant:
    """A tenant as a billing run needs it."""

    tenant_id: TenantId
    slug: str
    terms: TenantTerms


def billing_tenants(conn: Connection, tenant: str | None = None) -> list[BillingTenant]:
    """The tenant with this slug or UUID, or all. Raises `NotFoundError` when there is none."""
    rows = conn.execute(
        sql.load("postgres/queries/select_billing_tenants"), {"tenant": tenant}
    ).fetchall()
    if tenant is not None and not rows:
        raise NotFoundError(f"tenant: there is none called {tenant!r}", tenant=tenant)
    return [
        BillingTenant(TenantId(row["id"]), row["slug"], tenant_terms(row["name"], row["metadata"]))
        for row in rows
    ]
