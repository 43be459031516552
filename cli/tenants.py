"""How commands name a tenant: by its slug, or not at all where there is only one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from core.clock import Clock
    from core.ids import TenantId
    from db.postgres import Connection, Database
    from identity.tenants import Tenant

TenantSlug = Annotated[
    str | None, typer.Option("--tenant", help="Slug of the tenant. Default: the only one.")
]


def chosen_tenant(conn: Connection, slug: str | None) -> Tenant:
    """The tenant called `slug`, or the only one there is; the transaction acts for it from here on.

    Raises `NotFoundError`, and `ValidationError` where a choice is needed.
    """
    from core.acting import OPERATOR, Acting
    from core.errors import NotFoundError, ValidationError
    from db.postgres import act
    from identity.tenants import find_tenant, list_tenants

    tenants = list_tenants(conn) if slug is None else [find_tenant(conn, slug)]
    if not tenants:
        raise NotFoundError("tenant: there is none yet; make one with `tollbook apply FILE`")
    if len(tenants) != 1:
        names = ", ".join(tenant.slug for tenant in tenants[:20])
        raise ValidationError(f"--tenant: say which tenant is meant: {names}")
    act(conn, Acting(tenants[0].id, OPERATOR))
    return tenants[0]


def tenant_clock(conn: Connection, tenant_id: TenantId) -> Clock:
    """The time of the tenant for this transaction: the machine's, or that of its sandbox."""
    from core.clock import SystemClock
    from identity.sandboxes import clock_of

    return clock_of(conn, SystemClock(), tenant_id)


def open_database(state_dir: Path) -> Database:
    """Postgres, as commands use it."""
    from db.postgres import Database, Role
    from infra.local.state import resolve_endpoints

    return Database(resolve_endpoints(os.environ, state_dir).postgres, Role.OPERATOR)


@contextmanager
def tenant_transaction(
    state_dir: Path, slug: str | None, *, snapshot: bool = False
) -> Iterator[tuple[Connection, TenantId]]:
    """A unit of work for the tenant called `slug`, or the only one; raises as `chosen_tenant`."""
    with open_database(state_dir) as db, db.transaction(snapshot=snapshot) as conn:
        yield conn, chosen_tenant(conn, slug).id
