"""`tollbook corrections`: replace a time of some subjects' events by a file, and take that back."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Json, StateDir
from cli.output import print_list
from cli.tenants import TenantSlug, chosen_tenant, open_database
from core.errors import ValidationError

if TYPE_CHECKING:
    from core.ids import TenantId
    from corrections.correct import Servers
    from corrections.operations import Operation

app = typer.Typer(help="Correct events in bulk, revertibly.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the correction.")]


@app.command("apply")
def apply_file(
    file: Annotated[Path, typer.Argument(help="CloudEvents in JSON, one a line.")],
    name: Annotated[str, typer.Option(help="Names the correction, for ever.")],
    start: Annotated[str, typer.Option("--from", help="First instant, such as 2026-03-01T00:00Z.")],
    end: Annotated[str, typer.Option("--to", help="The instant after the last.")],
    customer: Annotated[
        str | None, typer.Option(help="Slug: its subjects, while they were its own.")
    ] = None,
    subjects: Annotated[list[str] | None, typer.Option(help="A subject; repeatable.")] = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Replace all events of a customer, or of subjects, in a time by those of a file.

    Every event of the file must have a subject and a time among what is corrected. After a crash
    give the same command again: what was done is not done twice.

    Example: tollbook corrections apply march.jsonl --name march-fix --customer contoso
    --from 2026-03-01T00:00Z --to 2026-04-01T00:00Z
    """
    from cli.invoices import parse_instant
    from core.period import Period
    from corrections.correct import apply_correction
    from corrections.spans import spans_of_customer, spans_of_subjects

    first, after = parse_instant(start, "--from"), parse_instant(end, "--to")
    if first >= after:
        raise ValidationError("--to: must lie after --from", field="to")
    period = Period(first, after)
    if (customer is None) == (not subjects):
        raise ValidationError("--customer, --subjects: give one of them", field="customer")
    with _servers(state_dir, tenant) as (servers, tenant_id), _progress() as report:
        if customer is None:
            spans = spans_of_subjects(subjects or [], period)
        else:
            with servers.transaction(tenant_id) as conn:
                spans = spans_of_customer(conn, tenant_id, customer, period)
        done = apply_correction(servers, tenant_id, name, spans, file, report)
    _show(done, as_json)


@app.command()
def revert(
    name: Name,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Take a correction back: the usage becomes what it was. Safe to repeat.

    Example: tollbook corrections revert march-fix
    """
    from corrections.correct import revert_correction

    with _servers(state_dir, tenant) as (servers, tenant_id), _progress() as report:
        done = revert_correction(servers, tenant_id, name, report)
    _show(done, as_json)


@app.command("list")
def list_corrections(
    tenant: TenantSlug = None, state_dir: StateDir = Path(".tollbook"), as_json: Json = False
) -> None:
    """List all corrections, oldest first.

    Example: tollbook corrections list --json
    """
    from corrections.operations import list_operations

    with (
        _servers(state_dir, tenant) as (servers, tenant_id),
        servers.transaction(tenant_id) as conn,
    ):
        found = list_operations(conn, tenant_id)
    print_list(
        found,
        as_json,
        ("name", "state", "from", "to", "voided", "events of the file"),
        lambda each: (
            each.name,
            each.state,
            str(min(span.period.start for span in each.spans)),
            str(max(span.period.end for span in each.spans)),
            "" if each.voided_events is None else str(each.voided_events),
            str(each.file_events),
        ),
    )


def _show(done: Operation, as_json: bool) -> None:
    if as_json:
        print(json.dumps(done.as_resource(), indent=2, ensure_ascii=False))
    else:
        print(
            f"{done.name}: {done.state}, {done.voided_events} events voided,"
            f" {done.file_events} events in the file"
        )


@contextmanager
def _progress() -> Iterator[Callable[[str, int], None]]:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("waiting until everything in the log is counted", total=None)
        yield lambda what, count: bars.update(task, description=f"{what}: {count} events")


@contextmanager
def _servers(state_dir: Path, tenant: str | None) -> Iterator[tuple[Servers, TenantId]]:
    from core.clock import SystemClock
    from corrections.correct import Servers
    from infra.local.state import resolve_endpoints

    endpoints = resolve_endpoints(os.environ, state_dir)
    with open_database(state_dir) as db:
        with db.transaction() as conn:
            tenant_id = chosen_tenant(conn, tenant).id
        yield Servers(endpoints, db, SystemClock()), tenant_id
