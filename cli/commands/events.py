"""`tollbook events`: look at single events, and at those that did not count."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import Json, StateDir
from cli.output import print_table
from cli.tenants import TenantSlug, chosen_tenant, open_database

if TYPE_CHECKING:
    from core.endpoints import Endpoints
    from core.ids import TenantId
    from core.period import Period

app = typer.Typer(
    help="Look at single events, and at those that did not count.", no_args_is_help=True
)

From = Annotated[
    str | None, typer.Option("--from", help="First instant, such as 2026-11-01T00:00:00Z.")
]
To = Annotated[str | None, typer.Option("--to", help="First instant that is not shown any more.")]
Limit = Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many.")]


@app.command()
def unmeterable(
    meter: Annotated[str, typer.Option(help="The meter's slug.")],
    since: From = None,
    to: To = None,
    limit: Limit = 1000,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """List the events that a meter could not read, with the reason, by event time.

    Example: tollbook events unmeterable --meter tokens --from 2026-11-01T00:00:00Z
    """
    from catalog.meter_register import find_meter
    from usage.unmeterable import unmeterable_events

    period, endpoints = _period(since, to), _endpoints(state_dir)
    with open_database(state_dir) as db, db.transaction() as conn:
        found = find_meter(conn, chosen_tenant(conn, tenant).id, meter)
    rows = unmeterable_events(endpoints.clickhouse, found.definition, period, limit)
    _show(rows.to_dicts(), ("id", "source", "subject", "time", "reason"), as_json)


@app.command()
def conflicts(
    since: From = None,
    to: To = None,
    limit: Limit = 1000,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """List copies of accepted events that say something else, the newest first; times of the log.

    Example: tollbook events conflicts --json
    """
    from usage.conflicts import conflicts as read

    period, endpoints = _period(since, to), _endpoints(state_dir)
    rows = read(endpoints.clickhouse, _tenant_id(state_dir, tenant), period, limit)
    _show(rows.to_dicts(), ("id", "source", "type", "subject", "time", "log_time"), as_json)


@app.command()
def search(
    ids: Annotated[list[str] | None, typer.Option("--id", help="An id; repeatable.")] = None,
    sources: Annotated[list[str] | None, typer.Option("--source", help="Repeatable.")] = None,
    types: Annotated[list[str] | None, typer.Option("--type", help="Repeatable.")] = None,
    subjects: Annotated[list[str] | None, typer.Option("--subject", help="Repeatable.")] = None,
    since: From = None,
    to: To = None,
    limit: Limit = 100,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """List accepted events, the newest first by event time. A type or a subject makes it quick.

    Example: tollbook events search --subject team-7 --from 2026-11-01T00:00:00Z --limit 20
    """
    from usage.event_search import Wanted, search_events

    endpoints = _endpoints(state_dir)
    wanted = Wanted(
        ids=tuple(ids or ()), sources=tuple(sources or ()), types=tuple(types or ()),
        subjects=tuple(subjects or ()), period=_period(since, to),
        with_voids=True,
    )  # fmt: skip
    found = search_events(endpoints.clickhouse, _tenant_id(state_dir, tenant), wanted, limit)
    rows = [asdict(each) | {"data": each.data.decode(errors="replace")} for each in found]
    _show(rows, ("id", "source", "type", "subject", "time", "data"), as_json)


@app.command()
def show(
    event_id: Annotated[str, typer.Argument(metavar="ID", help="The id that the sender gave it.")],
    source: Annotated[
        str | None, typer.Option(help="Its source, where several use the id.")
    ] = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Show what became of an event: accepted, taken back, contradicted or rejected, and why.

    An event that was refused when it was sent is not in the log: its sender got the reason.

    Example: tollbook events show req-81
    """
    from cli.event_trail import trail_of

    endpoints = _endpoints(state_dir)
    found = trail_of(endpoints, _tenant_id(state_dir, tenant), event_id, source)
    if as_json:
        print(json.dumps([each.as_document() for each in found], indent=2, ensure_ascii=False))
        return
    print_table(
        [(each.verdict, each.position, each.logged_at, each.source, each.said) for each in found],
        ("verdict", "position", "in the log at", "source", "what was said"),
    )


@app.command()
def tail(
    limit: Annotated[int, typer.Option(min=0, max=10_000, help="So many to begin with.")] = 10,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="And all that come.")] = False,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Print the newest events of the log, a line each, copies too; --json: a JSON text a line.

    Example: tollbook events tail --follow
    """
    from streams.generation import generations_of
    from streams.tail import tail as read

    endpoints = _endpoints(state_dir)
    tenant_id = _tenant_id(state_dir, tenant)
    newest = generations_of(endpoints)[-1]
    with suppress(KeyboardInterrupt):
        for each in read(endpoints, newest, str(tenant_id), limit, follow=follow):
            if as_json:
                print(json.dumps(asdict(each), default=str, ensure_ascii=False), flush=True)
            else:
                line = (str(each.time), each.type, each.subject, each.source, each.id, each.data)
                print(*line, each.position, sep="  ", flush=True)


def _tenant_id(state_dir: Path, tenant: str | None) -> TenantId:
    with open_database(state_dir) as db, db.transaction() as conn:
        return chosen_tenant(conn, tenant).id


def _endpoints(state_dir: Path) -> Endpoints:
    from infra.local.state import resolve_endpoints

    return resolve_endpoints(os.environ, state_dir)


def _period(since: str | None, to: str | None) -> Period:
    from cli.invoices import parse_instant
    from core.errors import ValidationError
    from core.period import Period
    from usage.unmeterable import ALL_TIME

    start = ALL_TIME.start if since is None else parse_instant(since, "--from")
    end = ALL_TIME.end if to is None else parse_instant(to, "--to")
    if start >= end:
        raise ValidationError("--to: must lie after --from", field="to")
    return Period(start, end)


def _show(rows: list[dict[str, Any]], columns: tuple[str, ...], as_json: bool) -> None:
    """Every column as JSON; for people the important ones and the place in the log."""
    if as_json:
        print(json.dumps(rows, default=str, indent=2, ensure_ascii=False))
        return
    table = [
        (
            *(str(row[name]) for name in columns),
            f"{row['generation']}/{row['partition']}:{row['offset']}.{row['row']}",
        )
        for row in rows
    ]
    print_table(table, (*(name.replace("_", " ") for name in columns), "position"))
