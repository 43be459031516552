"""How commands name a tenant: by its slug, or not at all where there is only one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from db.postgres import Connection
    from identity.tenants import Tenant

TenantSlug = Annotated[
    str | None, typer.Option("--tenant", help="Slug of the tenant. Default: the only one.")
]


def chosen_tenant(conn: Connection, slug: str | None) -> Tenant:
    """The tenant called `slug`, or the only one there is.

    Raises `NotFoundError`, and `ValidationError` where a choice is needed.
    """
    from core.errors import ValidationError
    from identity.tenants import find_tenant, list_tenants

    if slug is not None:
        return find_tenant(conn, slug)
    tenants = list_tenants(conn)
    if len(tenants) != 1:
        names = ", ".join(tenant.slug for tenant in tenants[:20]) or "none yet"
        raise ValidationError(f"--tenant: say which tenant is meant: {names}")
    return tenants[0]
