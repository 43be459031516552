"""The commands of `tollbook subscriptions` that change one: a line each, as the API has them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.options import Json, StateDir
from cli.output import print_resource
from cli.tenants import TenantSlug, tenant_clock, tenant_transaction

SubscriptionName = Annotated[str, typer.Argument(help="The subscription's id or slug.")]
AsOf = Annotated[str | None, typer.Option(help="When it is done: an instant. Default: now.")]
Until = Annotated[str | None, typer.Option(help="An instant, as 2025-01-01T00:00:00Z.")]
Plan = Annotated[str | None, typer.Option(help="Another plan, by slug.")]
Quantity = Annotated[
    list[str] | None, typer.Option(help="KEY=NUMBER of a line, as seats=5; repeat for more.")
]
Addons = Annotated[
    list[str] | None, typer.Option(help="SLUG=NUMBER of an add-on, 0 for none; repeat for more.")
]


def add_commands(app: typer.Typer) -> None:
    """Add the commands to `tollbook subscriptions`."""
    for command in (
        activate,
        cancel,
        change,
        extend,
        pause,
        payment,
        reactivate,
        resume,
        start_trial,
        uncancel,
    ):
        app.command()(command)


def _do(
    command: str,
    name: str,
    tenant: str | None,
    state_dir: Path,
    as_json: bool,
    **given: Any,
) -> None:
    from subscriptions.commands.bodies import parse_command
    from subscriptions.life.operate import perform

    body = parse_command(command, given)
    with tenant_transaction(state_dir, tenant) as (conn, tenant_id):
        wanted = body.resolve(conn, tenant_id)
        found = perform(
            conn, tenant_clock(conn, tenant_id), tenant_id, name, wanted, as_of=body.as_of
        )
    done = f"subscription {found.slug} is {found.standing.status}, revision {found.revision}"
    print_resource(found.as_resource(), as_json, done)


def _quantities(texts: list[str] | None) -> dict[str, str] | None:
    from core.errors import ValidationError

    if not texts:
        return None
    found = {}
    for text in texts:
        key, sign, number = text.partition("=")
        if not (key and sign and number):
            raise ValidationError(f"--quantity: write seats=5, not {text!r}", field="quantity")
        found[key] = number
    return found


def activate(
    name: SubscriptionName,
    as_of: AsOf = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """End the trial, or the wait for the start or a payment, at once.

    Example: tollbook subscriptions activate contoso-standard
    """
    _do("activate", name, tenant, state_dir, as_json, as_of=as_of)


def cancel(
    name: SubscriptionName,
    at: Annotated[str, typer.Option(help="now, period_end, or an instant.")] = "period_end",
    as_of: AsOf = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """End a subscription, now or later.

    Example: tollbook subscriptions cancel contoso-standard --at now
    """
    _do("cancel", name, tenant, state_dir, as_json, at=at, as_of=as_of)


def change(
    name: SubscriptionName,
    plan: Plan = None,
    quantity: Quantity = None,
    addon: Addons = None,
    at: Annotated[str, typer.Option(help="now, period_end, or an instant.")] = "now",
    as_of: AsOf = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Let another plan, other quantities or other add-ons hold, now or later.

    Example: tollbook subscriptions change contoso-standard --plan pro --at period_end
    """
    given = {
        "plan": plan,
        "quantities": _quantities(quantity),
        "addons": _quantities(addon),
        "at": at,
        "as_of": as_of,
    }
    _do("change", name, tenant, state_dir, as_json, **given)


def extend(
    name: SubscriptionName,
    until: Until = None,
    as_of: AsOf = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Let a contract end at another instant, or never.

    Example: tollbook subscriptions extend contoso-standard --until 2026-01-01T00:00:00Z
    """
    _do("extend", name, tenant, state_dir, as_json, until=until, as_of=as_of)


def pause(
    name: SubscriptionName,
    billing: Annotated[bool, typer.Option(help="Stop billing.")] = True,
    service: Annotated[bool, typer.Option(help="Stop the service.")] = True,
    until: Until = None,
    as_of: AsOf = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Stop billing, or the service, or both, until an instant or until it is resumed.

    Example: tollbook subscriptions pause contoso-standard --no-service
    """
    given = {"billing": billing, "service": service, "until": until, "as_of": as_of}
    _do("pause", name, tenant, state_dir, as_json, **given)


def payment(
    name: SubscriptionName,
    succeeded: Annotated[bool, typer.Option("--succeeded/--failed", help="How it went.")],
    as_of: AsOf = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Report a payment: the first that succeeds activates, one that fails is retried.

    Example: tollbook subscriptions payment contoso-standard --failed
    """
    _do("payment", name, tenant, state_dir, as_json, succeeded=succeeded, as_of=as_of)


def reactivate(
    name: SubscriptionName,
    plan: Plan = None,
    quantity: Quantity = None,
    until: Until = None,
    as_of: AsOf = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Let a customer come back; the time between is not billed.

    Example: tollbook subscriptions reactivate contoso-standard
    """
    given = {"plan": plan, "quantities": _quantities(quantity), "until": until, "as_of": as_of}
    _do("reactivate", name, tenant, state_dir, as_json, **given)


def resume(
    name: SubscriptionName,
    as_of: AsOf = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """End a pause.

    Example: tollbook subscriptions resume contoso-standard
    """
    _do("resume", name, tenant, state_dir, as_json, as_of=as_of)


def start_trial(
    name: SubscriptionName,
    until: Annotated[str, typer.Option(help="When it ends, as 2025-01-01T00:00:00Z.")],
    converts: Annotated[bool, typer.Option(help="Billed afterwards; else it expires.")] = True,
    as_of: AsOf = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Try from now on: flat fees are waived until the trial ends.

    Example: tollbook subscriptions start-trial contoso-standard --until 2025-02-01T00:00:00Z
    """
    given = {"until": until, "converts": converts, "as_of": as_of}
    _do("start_trial", name, tenant, state_dir, as_json, **given)


def uncancel(
    name: SubscriptionName,
    as_of: AsOf = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Take a planned cancellation back.

    Example: tollbook subscriptions uncancel contoso-standard
    """
    _do("uncancel", name, tenant, state_dir, as_json, as_of=as_of)
