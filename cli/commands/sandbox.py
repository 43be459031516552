"""`tollbook sandbox`: a tenant with a clock of its own, in which a year passes in a minute."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import Json, StateDir
from cli.output import print_resource, print_table
from cli.tenants import TenantSlug, open_database, tenant_transaction

if TYPE_CHECKING:
    from invoicing.sandbox_walk import SandboxWalker, Walk
    from usage.reader import UsageReader

app = typer.Typer(
    help="Make a tenant with a clock of its own, and move its time on.", no_args_is_help=True
)

_WALK_SECONDS = 30.0
"""The walk is held by an open transaction, which does not stay open for long."""


@app.command()
def create(
    slug: Annotated[str, typer.Argument(help="What the tenant is called; unique.")],
    at: Annotated[str, typer.Option(help="Where its time begins: an instant, mostly a past one.")],
    name: Annotated[str | None, typer.Option(help="For people. Default: the slug.")] = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Create a sandbox and print an API key that may do everything in it. It stays a sandbox.

    Fill it with `tollbook apply`, or by the API. Events may have times up to a day ahead of the
    real time: begin so far in the past that what you try ends before.

    Example: tollbook sandbox create acme-test --at 2025-01-01T00:00:00Z
    """
    from cli.invoices import parse_instant
    from core.clock import SystemClock
    from core.instants import check_instant
    from identity.api_keys import SCOPES, insert_api_key
    from identity.sandboxes import create_sandbox

    start, clock = check_instant(parse_instant(at, "--at"), "--at"), SystemClock()
    with open_database(state_dir) as db, db.transaction() as conn:
        tenant, made = create_sandbox(conn, clock, slug, name or slug, start)
        key = insert_api_key(conn, clock, tenant.id, "first key", tuple(sorted(SCOPES)))
    done = f"sandbox {slug}: its time is {made.clock_at.isoformat()}\n\n"
    print_resource(
        {**made.as_resource(), "api_key": key}, as_json, f"{done}API key, shown only now:\n{key}"
    )


@app.command()
def show(
    tenant: TenantSlug = None, state_dir: StateDir = Path(".tollbook"), as_json: Json = False
) -> None:
    """Show where the time of a sandbox stands.

    Example: tollbook sandbox show --tenant acme-test
    """
    from identity.sandboxes import find_sandbox

    with tenant_transaction(state_dir, tenant, snapshot=True) as (conn, tenant_id):
        found = find_sandbox(conn, tenant_id)
    print_resource(found.as_resource(), as_json, f"{found.slug}: {found.clock_at.isoformat()}")


@app.command()
def advance(
    to: Annotated[str, typer.Option(help="The instant to which its time goes on.")],
    step: Annotated[
        str | None, typer.Option(help="Stop at multiples of it only, such as P1D: faster.")
    ] = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Move a sandbox's time on, and do on the way all that comes by itself, at its instant.

    Trials and pauses end, periods are closed, invoices get their numbers. Safe to repeat after a
    crash. What was sent is waited for until it counts.

    Example: tollbook sandbox advance --to 2026-01-01T00:00:00Z --step P1D
    """
    from cli.invoices import parse_instant
    from core.acting import OPERATOR, Acting
    from identity.sandboxes import find_sandbox
    from invoicing.sandbox_walk import parse_step

    at, stride = parse_instant(to, "--to"), None if step is None else parse_step(step)
    with tenant_transaction(state_dir, tenant, snapshot=True) as (conn, tenant_id):
        acting = Acting(find_sandbox(conn, tenant_id).tenant_id, OPERATOR)
    with _walker(state_dir) as walker:
        parts = [walker.walk(acting, at, stride, _WALK_SECONDS)]
        while not parts[-1].reached:
            parts.append(walker.walk(acting, at, stride, _WALK_SECONDS))
    _print(parts, as_json)
    if any(each.parked for each in parts):
        raise typer.Exit(1)


@contextmanager
def _walker(state_dir: Path) -> Iterator[SandboxWalker]:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    from core.clock import SystemClock
    from corrections.covering import covering_cut
    from db.postgres import Database, Role
    from infra.local.state import resolve_endpoints
    from invoicing.sandbox_walk import SandboxWalker
    from usage.reader import UsageReader

    endpoints, clock = resolve_endpoints(os.environ, state_dir), SystemClock()
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with (
        open_database(state_dir) as db,
        Database(endpoints.postgres, Role.BILLING) as billing,
        ExitStack() as opened,
        Progress(*columns, console=Console(stderr=True), transient=True) as bars,
    ):
        task = bars.add_task("looking at what comes", total=None)

        def open_usage() -> UsageReader:
            usage = opened.enter_context(closing(UsageReader(endpoints.clickhouse)))
            covering_cut(endpoints, clock, usage.cut)
            return usage

        def show_time(at: datetime) -> None:
            bars.update(task, description=f"it is {at:%Y-%m-%d %H:%M}")

        yield SandboxWalker(db, billing, open_usage, clock, show_time)


def _print(parts: list[Walk], as_json: bool) -> None:
    happened = [each.as_resource() for part in parts for each in part.happened]
    parked = [each for part in parts for each in part.as_resource()["parked"]]
    if as_json:
        shown = parts[-1].as_resource() | {"happened": happened, "parked": parked}
        print(json.dumps(shown, indent=2, ensure_ascii=False))
        return
    print_table([_row(each) for each in happened], ("at", "what", "which", "became"))
    for each in parked:
        typer.echo(f"parked {each['customer']}: {each['message']}", err=True)
    print(f"it is {parts[-1].sandbox.clock_at.isoformat()}")


def _row(each: dict[str, Any]) -> tuple[str, str, str, str]:
    if each["what"] == "invoice":
        became = f"{each['number']}: {each['total']['amount']} {each['total']['currency']}"
    else:
        became = f"{each['old_status']} to {each['new_status']}"
    return each["at"], each["what"], each["subscription"], became
