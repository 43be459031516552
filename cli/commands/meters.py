"""`tollbook meters`: what is measured, created and changed while events flow."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.documents import read_document
from cli.metadata import Metadata, pairs_of
from cli.options import Json, StateDir
from cli.output import print_list, print_resource, print_table
from cli.tenants import TenantSlug, tenant_clock, tenant_transaction
from core.errors import ValidationError

if TYPE_CHECKING:
    from catalog.meter_register import StoredMeter

app = typer.Typer(help="Create, list, relabel and archive meters.", no_args_is_help=True)

Slug = Annotated[str, typer.Argument(help="The meter's slug.")]
MeterFile = Annotated[Path, typer.Argument(help="TOML or JSON: one meter.")]


@app.command()
def create(
    file: MeterFile,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Create the meter of a file; its definition is final. It counts past events, too.

    The file has slug, event_type (or event_types) and aggregation, and what else a meter may have:
    name, value, filter, dimensions, unit, conversion, per, percentile, metadata.

    Example: tollbook meters create tokens.toml --tenant acme
    """
    from catalog.meter_register import register_meter

    document = read_document(file)
    with tenant_transaction(state_dir, tenant) as (conn, tenant_id):
        meter = register_meter(conn, tenant_clock(conn, tenant_id), tenant_id, document)
    _show(meter, as_json, "created")


@app.command("list")
def list_meters(
    tenant: TenantSlug = None, state_dir: StateDir = Path(".tollbook"), as_json: Json = False
) -> None:
    """List all meters, oldest first.

    Example: tollbook meters list --json
    """
    from catalog.meter_register import page_of_meters

    with tenant_transaction(state_dir, tenant) as (conn, tenant_id):
        found = page_of_meters(conn, tenant_id, limit=1_000_000)
    print_list(
        found,
        as_json,
        ("slug", "name", "event types", "aggregation", "value", ""),
        lambda meter: (
            meter.definition.slug,
            meter.definition.name,
            ", ".join(meter.definition.event_types),
            meter.definition.aggregation,
            meter.definition.value or "",
            "archived" if meter.definition.archived else "",
        ),
    )


@app.command()
def show(slug: Slug, tenant: TenantSlug = None, state_dir: StateDir = Path(".tollbook")) -> None:
    """Print a meter as JSON.

    Example: tollbook meters show tokens
    """
    from catalog.meter_register import find_meter

    with tenant_transaction(state_dir, tenant) as (conn, tenant_id):
        meter = find_meter(conn, tenant_id, slug)
    _show(meter, as_json=True)


@app.command()
def update(
    slug: Slug,
    name: Annotated[str | None, typer.Option(help="What invoices call it.")] = None,
    unit: Annotated[str | None, typer.Option(help="What it counts in.")] = None,
    metadata: Metadata = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Change the labels of a meter. What it counts never changes: create another one.

    Example: tollbook meters update tokens --name "Tokens used" --metadata team=gateway
    """
    from catalog.meter_register import relabel_meter

    with tenant_transaction(state_dir, tenant) as (conn, tenant_id):
        meter = relabel_meter(
            conn,
            tenant_clock(conn, tenant_id),
            tenant_id,
            slug,
            name=name,
            unit=unit,
            metadata=pairs_of(metadata),
        )
    _show(meter, as_json, "updated")


@app.command()
def archive(
    slug: Slug,
    at: Annotated[
        str | None, typer.Option(help="Instant of event time from which nothing counts.")
    ] = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Let a meter count no events from now, or a later instant, on. What it counted stays.

    Example: tollbook meters archive tokens --at 2027-01-01T00:00:00Z
    """
    from catalog.meter_register import retire_meter
    from cli.invoices import parse_instant

    instant = None if at is None else parse_instant(at, "--at")
    with tenant_transaction(state_dir, tenant) as (conn, tenant_id):
        meter = retire_meter(conn, tenant_clock(conn, tenant_id), tenant_id, slug, instant)
    _show(meter, as_json, "archived")


@app.command("dry-run")
def try_out(
    file: MeterFile,
    start: Annotated[str, typer.Option("--from", help="First instant, such as 2026-03-01T00:00Z.")],
    end: Annotated[str, typer.Option("--to", help="The instant after the last.")],
    limit: Annotated[
        int, typer.Option(min=1, max=10_000_000, help="Newest events that are read.")
    ] = 100_000,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Show what the meter of a file would have counted of past events. Nothing is stored.

    Example: tollbook meters dry-run tokens.toml --from 2026-03-01T00:00Z --to 2026-04-01T00:00Z
    """
    from catalog.meter_register import draft_meter
    from cli.invoices import parse_instant
    from core.clock import SystemClock
    from core.period import Period
    from infra.local.state import resolve_endpoints
    from usage.dry_run import dry_run

    first, after = parse_instant(start, "--from"), parse_instant(end, "--to")
    if first >= after:
        raise ValidationError("--to: must lie after --from", field="to")
    with tenant_transaction(state_dir, tenant) as (_, tenant_id):
        meter = draft_meter(SystemClock(), tenant_id, read_document(file))
    url = resolve_endpoints(os.environ, state_dir).clickhouse
    found = dry_run(url, meter, Period(first, after), limit).as_resource()
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return
    rows = [
        (row["subject"], ", ".join(map(str, row["dimensions"])), row["quantity"])
        for row in found["usage"]
    ]
    print_table(rows, ("subject", "dimensions", "quantity"))
    print(
        f"{found['events_read']} events since {found['since']}: {found['counted']} counted,"
        f" {found['left_out']} left out, unmeterable: {found['unmeterable'] or 'none'}"
    )


def _show(meter: StoredMeter, as_json: bool, done: str = "") -> None:
    print_resource(meter.as_resource(), as_json, f"{done} meter {meter.definition.slug}")
