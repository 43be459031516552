"""`tollbook features`: what plans give."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import Json, StateDir
from cli.output import print_list, print_resource
from cli.tenants import TenantSlug, tenant_clock, tenant_transaction

app = typer.Typer(help="Create, list and archive features.", no_args_is_help=True)

Slug = Annotated[str, typer.Argument(help="The feature's slug.")]


@app.command()
def create(
    slug: Slug,
    kind: Annotated[str, typer.Option(help="metered, boolean or static.")],
    name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    meter: Annotated[str | None, typer.Option(help="Slug of what a metered one counts.")] = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Create a feature; what it is stays.

    Example: tollbook features create tokens --kind metered --meter tokens
    """
    from catalog.features import create_feature

    with tenant_transaction(state_dir, tenant) as (conn, tenant_id):
        made = create_feature(
            conn,
            tenant_clock(conn, tenant_id),
            tenant_id,
            slug=slug,
            name=name or slug,
            kind=kind,
            meter=meter,
        )
    print_resource(made.as_resource(), as_json, f"created feature {slug}")


@app.command("list")
def list_features(
    tenant: TenantSlug = None, state_dir: StateDir = Path(".tollbook"), as_json: Json = False
) -> None:
    """List all features, by slug.

    Example: tollbook features list --json
    """
    from catalog.features import features_by_slug

    with tenant_transaction(state_dir, tenant) as (conn, tenant_id):
        found = list(features_by_slug(conn, tenant_id).values())
    print_list(
        found,
        as_json,
        ("slug", "name", "kind", "meter", ""),
        lambda each: (
            each.slug,
            each.name,
            each.kind,
            each.meter or "",
            "archived" if each.archived_at else "",
        ),
    )


@app.command()
def archive(
    slug: Slug,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Let no new plan version give a feature; those that do go on.

    Example: tollbook features archive sso
    """
    from catalog.features import archive_feature

    with tenant_transaction(state_dir, tenant) as (conn, tenant_id):
        gone = archive_feature(conn, tenant_clock(conn, tenant_id), tenant_id, slug)
    print_resource(gone.as_resource(), as_json, f"archived feature {slug}")
