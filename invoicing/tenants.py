"""The tenants whose periods are closed, with their terms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import sql
from core.errors import NotFoundError
from core.ids import TenantId
from db.postgres import Connection
from identity.settings import read_settings
from invoicing.settings import TenantTerms, tenant_terms

SANDBOX_PREFIX: Final = "SANDBOX-"
"""Stands before every number of a sandbox's invoices."""


@dataclass(frozen=True, slots=True)
class BillingTenant:
    """A tenant as a billing run needs it. The numbers of a sandbox begin with `SANDBOX-`."""

    tenant_id: TenantId
    slug: str
    terms: TenantTerms
    sandbox: bool = False
    closes_by_itself: bool = True
    """Whether its periods are closed by those who close for all."""


def billing_tenants(conn: Connection, tenant: str | None = None) -> list[BillingTenant]:
    """The tenant with this slug or UUID, or all for production that are closed automatically.

    Raises `NotFoundError` when there is none.
    """
    rows = conn.execute(
        sql.load("postgres/queries/select_billing_tenants"), {"tenant": tenant}
    ).fetchall()
    if tenant is not None and not rows:
        raise NotFoundError(f"tenant: there is none called {tenant!r}", tenant=tenant)
    found = [_tenant(row) for row in rows]
    return found if tenant is not None else [each for each in found if each.closes_by_itself]


def _tenant(row: dict[str, Any]) -> BillingTenant:
    terms, sandbox = tenant_terms(row["name"], row["metadata"]), row["kind"] == "sandbox"
    closing = read_settings(row["settings"]).closing
    if sandbox:
        terms = replace(terms, prefix=f"{SANDBOX_PREFIX}{terms.prefix}")
    return BillingTenant(TenantId(row["id"]), row["slug"], terms, sandbox, closing.automatic)
