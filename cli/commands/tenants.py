"""`tollbook tenants`: who uses this installation, and how fast each may send."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cli.options import Json, StateDir
from cli.output import print_resource, print_table
from cli.rates import BytesRate, EventsRate, changed_limits, rate_text
from cli.tenants import chosen_tenant, open_database

app = typer.Typer(help="List tenants, and limit how fast they send.", no_args_is_help=True)


@app.command("list")
def list_all(state_dir: StateDir = Path(".tollbook"), as_json: Json = False) -> None:
    """List all tenants and their limits.

    Example: tollbook tenants list --json
    """
    from core.ids import format_id
    from identity.rate_limits import tenant_limits
    from identity.tenants import list_tenants

    with open_database(state_dir) as db, db.transaction() as conn:
        found = [(tenant, tenant_limits(conn, tenant.id)) for tenant in list_tenants(conn)]
    if as_json:
        documents = [
            {
                "id": format_id("ten", tenant.id),
                "slug": tenant.slug,
                "name": tenant.name,
                "kind": tenant.kind,
                "limits": limits.as_document(),
            }
            for tenant, limits in found
        ]
        print(json.dumps(documents, indent=2))
        return
    rows = [
        (tenant.slug, tenant.name, tenant.kind, rate_text(limits.events), rate_text(limits.bytes))
        for tenant, limits in found
    ]
    print_table(rows, ("slug", "name", "kind", "events/s", "bytes/s"))


@app.command()
def owner(
    slug: Annotated[str, typer.Argument(help="The tenant's slug.")],
    name: Annotated[str | None, typer.Option("--owner", help="Who owns it.")] = None,
    nobody: Annotated[bool, typer.Option("--none", help="Name nobody any more.")] = False,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Say who owns a tenant, or show it: tenants of one owner may invoice for each other.

    Example: tollbook tenants owner acme-berlin --owner "Acme Holding"
    """
    from core.clock import SystemClock
    from core.errors import ValidationError
    from identity.owners import owner_of, set_owner

    if nobody and name is not None:
        raise ValidationError("--none: give it, or --owner, not both", field="none")
    with open_database(state_dir) as db, db.transaction() as conn:
        tenant = chosen_tenant(conn, slug)
        if nobody or name is not None:
            set_owner(conn, SystemClock(), tenant.id, name)
        known = owner_of(conn, tenant.id)
    print_resource(
        {"slug": slug, "owner": known}, as_json, f"{slug}: owned by {known or 'nobody named'}"
    )


@app.command()
def limit(
    slug: Annotated[str, typer.Argument(help="The tenant's slug.")],
    events: EventsRate = None,
    size: BytesRate = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Say how fast all keys of a tenant together may send; in force within two seconds.

    Example: tollbook tenants limit acme --events 1000:20000 --bytes default
    """
    from core.clock import SystemClock
    from identity.rate_limits import set_tenant_limits, tenant_limits

    with open_database(state_dir) as db, db.transaction() as conn:
        tenant = chosen_tenant(conn, slug)
        limits = changed_limits(tenant_limits(conn, tenant.id), events, size)
        set_tenant_limits(conn, SystemClock(), tenant.id, limits)
    if as_json:
        print(json.dumps(limits.as_document(), indent=2))
        return
    print(f"{slug}: events {rate_text(limits.events)}, bytes {rate_text(limits.bytes)}")


@app.command()
def settings(
    slug: Annotated[str, typer.Argument(help="The tenant's slug.")],
    given: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=JSON, such as dunning.grace_days=3; null: the default."),
    ] = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Show how a tenant wants to be worked for, or change it; workers read it at once.

    Example: tollbook tenants settings acme --set limits.subscriptions=1000
    """
    from core.acting import OPERATOR
    from core.clock import SystemClock
    from identity.settings import change_settings, settings_resource

    changes = _changes(given or [])
    with open_database(state_dir) as db, db.transaction() as conn:
        tenant = chosen_tenant(conn, slug)
        shown = settings_resource(conn, tenant.id)
        if changes:
            shown = change_settings(conn, SystemClock(), tenant.id, changes, actor=OPERATOR)
    if as_json:
        print(json.dumps(shown, indent=2))
        return
    rows = [
        (f"{section}.{name}", json.dumps(value))
        for section, values in shown.items()
        if isinstance(values, dict)
        for name, value in values.items()
    ]
    print_table(rows, ("setting", "value"))


def _changes(given: list[str]) -> dict[str, dict[str, object]]:
    from core.errors import ValidationError

    found: dict[str, dict[str, object]] = {}
    for text in given:
        path, sign, value = text.partition("=")
        section, dot, name = path.partition(".")
        try:
            told = json.loads(value)
        except ValueError:
            told, sign = None, ""
        if not (sign and dot and name):
            raise ValidationError(
                f"--set: expected NAME=JSON, such as dunning.grace_days=3, got {text!r}",
                field="set",
            )
        found.setdefault(section, {})[name] = told
    return found
