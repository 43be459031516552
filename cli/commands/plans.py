"""`tollbook plans`: what is sold, written as drafts and activated as versions."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.documents import read_document
from cli.options import Json, StateDir
from cli.output import print_list, print_resource
from cli.tenants import TenantSlug, tenant_clock, tenant_transaction

app = typer.Typer(help="Write, activate, list and archive plans.", no_args_is_help=True)

Slug = Annotated[str, typer.Argument(help="The plan's slug.")]
PlanFile = Annotated[
    Path, typer.Argument(help="TOML or JSON: currency, rate_cards, maybe phases, entitlements.")
]


@app.command("list")
def list_plans(
    tenant: TenantSlug = None, state_dir: StateDir = Path(".tollbook"), as_json: Json = False
) -> None:
    """List all plans, by slug.

    Example: tollbook plans list --json
    """
    from catalog.plan_view import page_of_plans

    with tenant_transaction(state_dir, tenant) as (conn, tenant_id):
        found = page_of_plans(conn, tenant_id, limit=1_000_000)
    print_list(
        found,
        as_json,
        ("slug", "name", "version", "draft", "", ""),
        lambda plan: (
            plan.slug,
            plan.name,
            "" if plan.sold is None else str(plan.sold),
            "yes" if plan.draft else "",
            "public" if plan.public else "",
            "archived" if plan.archived_at else "",
        ),
    )


@app.command()
def show(
    slug: Slug,
    version: Annotated[int | None, typer.Option(min=1, help="One of its versions.")] = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
) -> None:
    """Print a plan, or one of its versions, as JSON.

    Example: tollbook plans show standard --version 2
    """
    from catalog.plan_view import find_plan, find_version

    with tenant_transaction(state_dir, tenant, snapshot=True) as (conn, tenant_id):
        if version is None:
            found = find_plan(conn, tenant_id, slug).as_resource()
        else:
            found = find_version(conn, tenant_id, slug, version)
    print(json.dumps(found, indent=2, ensure_ascii=False))


@app.command()
def draft(
    slug: Slug,
    file: PlanFile,
    name: Annotated[str | None, typer.Option(help="Of a new plan: what invoices call it.")] = None,
    public: Annotated[
        bool, typer.Option("--public", help="Of a new plan: list it in public.")
    ] = False,
    addon: Annotated[
        bool, typer.Option("--addon", help="Of a new plan: it is bought beside another one.")
    ] = False,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Write what the next version of a plan sells and gives; the plan is created if missing.

    Example: tollbook plans draft standard standard.toml
    """
    from catalog.plan_catalog import PlanLabels, create_plan, write_draft
    from catalog.plan_terms import PlanKind
    from catalog.plan_view import page_of_plans

    content = read_document(file)
    with tenant_transaction(state_dir, tenant) as (conn, tenant_id):
        clock = tenant_clock(conn, tenant_id)
        if page_of_plans(conn, tenant_id, slug=slug, limit=1):
            plan = write_draft(conn, clock, tenant_id, slug, content)
        else:
            labels = PlanLabels(name, public=public)
            kind: PlanKind = "addon" if addon else "plan"
            plan = create_plan(conn, clock, tenant_id, slug, labels, content, kind)
    print_resource(
        plan.as_resource(), as_json, f"wrote draft of plan {slug}, revision {plan.draft_revision}"
    )


@app.command()
def activate(
    slug: Slug,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Sell a plan's draft from now on, as its next version.

    Example: tollbook plans activate standard
    """
    from catalog.plan_catalog import activate_draft

    with tenant_transaction(state_dir, tenant) as (conn, tenant_id):
        plan = activate_draft(conn, tenant_clock(conn, tenant_id), tenant_id, slug)
    print_resource(plan.as_resource(), as_json, f"plan {slug}: version {plan.sold} is sold")


@app.command()
def archive(
    slug: Slug,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Sell a plan no more; subscriptions go on.

    Example: tollbook plans archive standard
    """
    from catalog.plan_catalog import archive_plan

    with tenant_transaction(state_dir, tenant) as (conn, tenant_id):
        plan = archive_plan(conn, tenant_clock(conn, tenant_id), tenant_id, slug)
    print_resource(plan.as_resource(), as_json, f"archived plan {slug}")


@app.command()
def migrate(
    slug: Slug,
    version: Annotated[int | None, typer.Option(min=1, help="Default: the newest.")] = None,
    at: Annotated[str, typer.Option(help="now, period_end of each, or an instant.")] = "period_end",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Try it, change nothing.")] = False,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Move all live subscriptions of a plan to one of its versions; again does nothing twice.

    A changed price reaches who subscribed before by this: activate the draft, then migrate.

    Example: tollbook plans migrate standard --at 2025-01-01T00:00:00Z --dry-run
    """
    from cli.invoices import parse_instant
    from cli.progress import counting
    from cli.tenants import open_database
    from core.acting import OPERATOR, Acting
    from core.clock import SystemClock
    from subscriptions.commands.base import When
    from subscriptions.life.migration import migrate as migrate_all

    when: When
    if at in {"now", "period_end"}:
        when = "now" if at == "now" else "period_end"
    else:
        when = parse_instant(at, "--at")
    with tenant_transaction(state_dir, tenant, snapshot=True) as (_, tenant_id):
        acting = Acting(tenant_id, OPERATOR)
    with open_database(state_dir) as db, counting("subscriptions") as progress:
        report = migrate_all(
            db,
            SystemClock(),
            acting,
            slug,
            number=version,
            when=when,
            dry_run=dry_run,
            progress=progress,
        )
    moved = f"{'would move' if dry_run else 'moved'} {report.moved}"
    done = f"{moved} to version {report.version} of {slug}, {report.unchanged} have it"
    print_resource(report.as_resource(), as_json, done)
    if report.refused_count:
        for each in report.refused[:20]:
            print(f"error: {each.subscription}: {each.message}", file=sys.stderr)
        raise typer.Exit(1)
