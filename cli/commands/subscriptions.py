"""`tollbook subscriptions`: who subscribed to what, what became of it, and what is done to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cli.options import Json, StateDir
from cli.output import print_list, print_resource
from cli.subscription_commands import SubscriptionName, add_commands
from cli.tenants import TenantSlug, tenant_clock, tenant_transaction

app = typer.Typer(
    help="Create, list and show subscriptions, and change them.", no_args_is_help=True
)
add_commands(app)


@app.command("list")
def list_subscriptions(
    status: Annotated[str | None, typer.Option(help="Only those in a state, as ACTIVE.")] = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """List subscriptions, by slug.

    Example: tollbook subscriptions list --status PAST_DUE --json
    """
    from core.calendar.zones import local_date
    from subscriptions.life.subscription import page_of_subscriptions

    with tenant_transaction(state_dir, tenant, snapshot=True) as (conn, tenant_id):
        found = page_of_subscriptions(conn, tenant_id, status=status, limit=1_000_000)
    print_list(
        found,
        as_json,
        ("slug", "customer", "plan", "status", "period from", "to"),
        lambda each: (
            each.slug,
            each.customer,
            f"{each.plan} {each.plan_number}",
            each.standing.status,
            local_date(each.period.start, each.cycle.zone).isoformat(),
            local_date(each.period.end, each.cycle.zone).isoformat(),
        ),
    )


@app.command()
def show(
    name: SubscriptionName, tenant: TenantSlug = None, state_dir: StateDir = Path(".tollbook")
) -> None:
    """Print how a subscription stands and what is planned, as JSON.

    Example: tollbook subscriptions show contoso-standard
    """
    from subscriptions.life.subscription import find_subscription

    with tenant_transaction(state_dir, tenant, snapshot=True) as (conn, tenant_id):
        found = find_subscription(conn, tenant_id, name)
    print(json.dumps(found.as_resource(), indent=2, ensure_ascii=False))


@app.command()
def history(
    name: SubscriptionName,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """List what became of a subscription: what was done, when, by whom.

    Example: tollbook subscriptions history contoso-standard
    """
    from subscriptions.life.change_history import changes_of
    from subscriptions.life.subscription import find_subscription

    with tenant_transaction(state_dir, tenant, snapshot=True) as (conn, tenant_id):
        known = find_subscription(conn, tenant_id, name)
        found = changes_of(conn, tenant_id, known.id, limit=1_000_000)
    print_list(
        found,
        as_json,
        ("revision", "at", "change", "from", "to", "by"),
        lambda each: (
            str(each.revision),
            each.effective_at.isoformat(),
            each.change.replace("_", " "),
            each.before["status"] if each.before else "",
            each.after["status"],
            each.actor,
        ),
    )


@app.command()
def create(
    slug: Annotated[str, typer.Argument(help="What it is called; unique.")],
    customer: Annotated[str, typer.Argument(help="The customer's slug.")],
    plan: Annotated[str, typer.Argument(help="The plan's slug.")],
    start: Annotated[
        str | None, typer.Option(help="Instant, past or future. Default: now.")
    ] = None,
    billing_cycle: Annotated[str, typer.Option(help="monthly, yearly, 'every 2 weeks', …")] = (
        "monthly"
    ),
    anchor: Annotated[
        str, typer.Option(help="anniversary, calendar, trial_end, or an instant.")
    ] = "anniversary",
    trial_days: Annotated[int | None, typer.Option(min=1, help="Try it so long first.")] = None,
    expires_at: Annotated[str | None, typer.Option(help="The end of the contract.")] = None,
    currency: Annotated[
        str | None, typer.Option(help="One that the plan is sold in. Default: the customer's.")
    ] = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Subscribe a customer to a plan.

    Example: tollbook subscriptions create contoso-standard contoso standard --trial-days 14
    """
    from subscriptions.life.new_body import parse_new

    given = {
        "slug": slug,
        "customer": customer,
        "plan": plan,
        "start": start,
        "billing_cycle": billing_cycle,
        "anchor": anchor,
        "trial_days": trial_days,
        "expires_at": expires_at,
        "currency": currency,
    }
    new = parse_new({name: each for name, each in given.items() if each is not None})
    with tenant_transaction(state_dir, tenant) as (conn, tenant_id):
        made = new.create(conn, tenant_clock(conn, tenant_id), tenant_id)
    print_resource(made.as_resource(), as_json, f"subscription {slug} is {made.standing.status}")


@app.command()
def advance(
    as_of: Annotated[str | None, typer.Option(help="Instant up to now. Default: now.")] = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Do what comes by itself: starts, ends of trials, pauses, grace periods and contracts.

    Run it every minute; several at a time share the work. What is billed does not wait for it.

    Example: tollbook subscriptions advance
    """
    from cli.invoices import parse_instant
    from cli.tenants import open_database
    from core.clock import SystemClock
    from subscriptions.life.advance import advance as advance_all

    given = None if as_of is None else parse_instant(as_of, "--as-of")
    with tenant_transaction(state_dir, tenant, snapshot=True) as (conn, tenant_id):
        now = tenant_clock(conn, tenant_id).now()
    with open_database(state_dir) as db:
        moved = advance_all(db, SystemClock(), tenant_id, min(given or now, now))
    print_resource({"advanced": moved}, as_json, f"{moved} subscription(s) came on")
