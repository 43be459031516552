"""`tollbook changes`: what changed, in commit order, and how long it is kept."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from cli.options import Json, StateDir
from cli.output import print_list, print_resource
from cli.tenants import TenantSlug, chosen_tenant, open_database

app = typer.Typer(help="Read what changed, and prune it.", no_args_is_help=True)


@app.command("list")
def list_changes(
    after: Annotated[int, typer.Option(min=0, help="Only those at later positions.")] = 0,
    subject: Annotated[
        list[str] | None, typer.Option(help="Only these, such as meter.created; repeatable.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 100,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """List what changed in the order of its commits, the oldest first.

    Example: tollbook changes list --subject invoice.finalised --json
    """
    from db.outbox import changes_after

    with open_database(state_dir) as db, db.transaction() as conn:
        tenant_id = chosen_tenant(conn, tenant).id
        found = changes_after(conn, tenant_id, after, limit, subject or None).events
    print_list(
        found,
        as_json,
        ("position", "at", "what", "resource", "by"),
        lambda event: (
            str(event.position),
            f"{event.created_at:%Y-%m-%d %H:%M:%S}",
            event.subject,
            event.resource_id,
            event.actor,
        ),
    )


@app.command()
def prune(
    keep_days: Annotated[
        int, typer.Option(help="Events of so many days stay; up to 28 more, as stretches end.")
    ] = 90,
    answers_days: Annotated[
        int,
        typer.Option(
            min=1, max=400, help="Answers to an Idempotency-Key, and closed holds, stay so long."
        ),
    ] = 30,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Forget old events, answers to repeated requests, and closed holds, of all tenants.

    For a daily timer.

    Example: tollbook changes prune --keep-days 180 --answers-days 7
    """
    from core.clock import SystemClock
    from db import idempotency, outbox
    from entitlements.holds import prune_holds

    keep = outbox.check_keep(timedelta(days=keep_days))
    machine = SystemClock()
    now = machine.now()
    before = now - timedelta(days=answers_days)
    with open_database(state_dir) as db:
        emptied = outbox.prune(db, now - keep)
        answers = idempotency.prune(db, before)
        holds = prune_holds(db, machine, before)
    told = {"emptied": emptied, "answers": answers, "holds": holds}
    said = (
        f"{len(emptied)} stretches of four weeks emptied, {answers} answers and {holds} holds"
        " forgotten"
    )
    print_resource(told, as_json, said)
