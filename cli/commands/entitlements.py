"""`tollbook entitlements`: what customers may use, and what they are given beside their plans."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from cli.metadata import pairs_of
from cli.options import Json, StateDir
from cli.output import print_resource, print_table
from cli.tenants import TenantSlug, chosen_tenant, open_database, tenant_clock, tenant_transaction

if TYPE_CHECKING:
    from pydantic import BaseModel

    from core.acting import Acting
    from db.postgres import Connection
    from entitlements.holding import Holding
    from entitlements.measuring import Measuring

    Body = TypeVar("Body", bound=BaseModel)

app = typer.Typer(
    help="Check what customers may use; override, grant and hold.", no_args_is_help=True
)

Customer = Annotated[str, typer.Argument(help="The customer's slug or id.")]
Feature = Annotated[str, typer.Argument(help="The feature's slug.")]
Start = Annotated[str | None, typer.Option(help="From which instant on. Default: now.")]
HoldId = Annotated[str, typer.Argument(help="Id of the hold (`hld_…`).")]
Instant = Annotated[str | None, typer.Option(help="When it ends.")]


@app.command("list")
def list_entitlements(
    customer: Customer,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """List what a customer may use, how much of it is used, and what is left.

    Example: tollbook entitlements list contoso
    """
    from decimal import Decimal

    from entitlements.answers import answer_of

    with _measuring(state_dir, tenant) as (measuring, acting):
        found = [
            answer_of(measuring.measure(acting, customer, name), measuring.clock.now(), Decimal(0))
            for name in measuring.features_of(acting, customer)
        ]
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return
    columns = ("feature", "allowed", "limit", "used", "remaining", "value")
    rows = [
        tuple("" if each[name] is None else str(each[name]) for name in columns) for each in found
    ]
    print_table(rows, columns, {"limit", "used", "remaining"})


@app.command()
def check(
    customer: Customer,
    feature: Feature,
    quantity: Annotated[str, typer.Option(help="Whether so much more may be used.")] = "0",
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Say whether a customer may use a feature now; exits with 3 where it may not.

    Example: tollbook entitlements check contoso requests --quantity 10
    """
    from core.quantities import parse_quantity
    from entitlements.answers import answer_of

    asked = parse_quantity(quantity, "--quantity")
    with _measuring(state_dir, tenant) as (measuring, acting):
        known = measuring.measure(acting, customer, feature)
        found = answer_of(known, measuring.clock.now(), asked)
    word = "allowed" if found["allowed"] else "not allowed"
    counted = f"; {found['used']} used of {found['limit'] or 'any'}" if found["used"] else ""
    print_resource(found, as_json, f"{feature}: {word}{counted}")
    if not found["allowed"]:
        raise typer.Exit(3)


@app.command()
def override(
    customer: Customer,
    feature: Feature,
    limit: Annotated[str | None, typer.Option(help="Up to so much in each window.")] = None,
    hard: Annotated[bool, typer.Option("--hard", help="Nothing beyond the limit.")] = False,
    reset: Annotated[str | None, typer.Option(help="The window, such as daily.")] = None,
    value: Annotated[str | None, typer.Option(help="Of a static feature.")] = None,
    nothing: Annotated[bool, typer.Option("--nothing", help="Give nothing of it.")] = False,
    start: Start = None,
    end: Instant = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Give a customer something else of a feature than its plans do.

    Example: tollbook entitlements override contoso requests --limit 50000 --hard
    """
    from entitlements.bodies import NewOverrideBody
    from entitlements.extras import create_override

    words = {
        "feature": feature,
        "given": not nothing,
        "limit": limit,
        "hard": hard,
        "reset": reset,
        "value": value,
        "start": start,
        "end": end,
    }
    body = _body(NewOverrideBody, words)
    made = _created(state_dir, tenant, create_override, customer, body)
    print_resource(made, as_json, f"override {made['id']} of {feature} from {made['start']}")


@app.command()
def grant(
    customer: Customer,
    feature: Feature,
    quantity: Annotated[str, typer.Argument(help="How much more.")],
    end: Annotated[str, typer.Option(help="When what is left of it is lost.")],
    start: Start = None,
    priority: Annotated[int, typer.Option(min=0, help="The smallest is used first.")] = 100,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Give a customer so much more of a metered feature, once.

    Example: tollbook entitlements grant contoso requests 1000 --end 2026-12-31T00:00:00Z
    """
    from entitlements.bodies import NewGrantBody
    from entitlements.extras import create_grant

    words = {
        "feature": feature,
        "quantity": quantity,
        "start": start,
        "end": end,
        "priority": priority,
    }
    body = _body(NewGrantBody, words)
    made = _created(state_dir, tenant, create_grant, customer, body)
    print_resource(made, as_json, f"grant {made['id']} of {quantity} {feature} to {made['end']}")


@app.command()
def end(
    customer: Customer,
    name: Annotated[str, typer.Argument(help="Id of an override (`ovr_…`) or a grant (`grt_…`).")],
    at: Annotated[str | None, typer.Option(help="From which instant on. Default: now.")] = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """End an override, or a grant: what is left of it is lost.

    Example: tollbook entitlements end contoso grt_0190… --at 2026-06-01T00:00:00Z
    """
    from entitlements.bodies import EndBody
    from entitlements.extras import end_grant, end_override

    body = _body(EndBody, {"at": at})
    ending = end_grant if name.startswith("grt_") else end_override
    with tenant_transaction(state_dir, tenant) as (conn, tenant_id):
        left = ending(conn, tenant_clock(conn, tenant_id), tenant_id, customer, name, body.at)
    shown: dict[str, Any] = {"id": name, "held": left and left.as_resource()}
    when = "has never held" if left is None else f"ends at {shown['held']['end']}"
    print_resource(shown, as_json, f"{name} {when}")


@app.command()
def hold(
    customer: Customer,
    feature: Feature,
    quantity: Annotated[str, typer.Argument(help="How much.")],
    expires_in: Annotated[int, typer.Option(min=1, help="For so many seconds.")] = 300,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Hold some of a feature ahead of its use: it counts as used until it is closed or over.

    Example: tollbook entitlements hold contoso tokens 4000 --expires-in 120
    """
    from entitlements.bodies import NewHoldBody

    words = {
        "customer": customer,
        "feature": feature,
        "quantity": quantity,
        "expires_in": expires_in,
    }
    body = _body(NewHoldBody, words)
    with _holding(state_dir, tenant) as (holding, _, acting):
        made = holding.hold(acting, body, _unrepeated)
    print_resource(
        made, as_json, f"hold {made['id']} of {quantity} {feature} to {made['expires_at']}"
    )


@app.command()
def commit(
    name: HoldId,
    subject: Annotated[str, typer.Argument(help="Who used it.")],
    quantity: Annotated[str, typer.Argument(help="How much it truly was.")],
    properties: Annotated[
        list[str] | None,
        typer.Option("--property", help="KEY=TEXT that the event says, too; repeatable."),
    ] = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Use what is held, send its event, and give back the rest.

    Example: tollbook entitlements commit hld_0190… contoso-chat 1234 --property model=large
    """
    from entitlements.bodies import TrackBody

    given = pairs_of(properties, "property")
    with _holding(state_dir, tenant) as (holding, send, acting):
        words = {
            "subject": subject,
            "feature": holding.find(acting, name)["feature"],
            "quantity": quantity,
            "properties": given,
        }
        made = holding.commit(acting, name, _body(TrackBody, words), _unrepeated)
        send(made["id"])
    print_resource(made, as_json, f"{quantity} of {made['held']} used as {made['id']}")


@app.command()
def release(
    name: HoldId,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Give back what is held.

    Example: tollbook entitlements release hld_0190…
    """
    with _holding(state_dir, tenant) as (holding, _, acting):
        made = holding.release(acting, name, _unrepeated)
    print_resource(made, as_json, f"{made['quantity']} {made['feature']} given back")


def _created(
    state_dir: Path, tenant: str | None, create: Callable[..., Any], customer: str, body: BaseModel
) -> dict[str, Any]:
    """An override or a grant, made and as it is shown."""
    with tenant_transaction(state_dir, tenant) as (conn, tenant_id):
        clock = tenant_clock(conn, tenant_id)
        made: dict[str, Any] = create(conn, clock, tenant_id, customer, body).as_resource()
        return made


def _unrepeated(_: Connection, perform: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A command has no key under which it would be repeated."""
    return perform()


def _body(model: type[Body], words: Mapping[str, Any]) -> Body:
    """What was written, checked as the API does. Raises `ValidationError`."""
    import pydantic

    from core.refusals import refusal_of

    given = {name: word for name, word in words.items() if word is not None}
    try:
        return model.model_validate(given)
    except pydantic.ValidationError as error:
        raise refusal_of(error) from error


@contextmanager
def _measuring(state_dir: Path, slug: str | None) -> Iterator[tuple[Measuring, Acting]]:
    """Reads how the customers of a tenant stand."""
    from api.usage_connection import UsageConnection
    from core.acting import OPERATOR, Acting
    from core.clock import SystemClock
    from entitlements.measuring import Measuring
    from infra.local.state import resolve_endpoints

    usage = UsageConnection(resolve_endpoints(os.environ, state_dir).clickhouse)
    with open_database(state_dir) as db:
        try:
            with db.transaction() as conn:
                tenant_id = chosen_tenant(conn, slug).id
            yield Measuring(db, usage.reader, SystemClock()), Acting(tenant_id, OPERATOR)
        finally:
            usage.close()


@contextmanager
def _holding(
    state_dir: Path, slug: str | None
) -> Iterator[tuple[Holding, Callable[[str], None], Acting]]:
    """Makes and closes the holds of a tenant, and sends the event of a record (`usr_…`)."""
    from api.usage_sending import UsageSending
    from entitlements.holding import Holding
    from entitlements.reserving import Reserving
    from entitlements.tracking import Tracking
    from infra.local.state import resolve_endpoints
    from ingest.settings import IngestSettings

    with _measuring(state_dir, slug) as (measuring, acting):
        reserving = Reserving(measuring)
        settings = IngestSettings(
            resolve_endpoints(os.environ, state_dir), state_dir.absolute() / "api" / "catalog.json"
        )

        async def deliver(record: str) -> None:
            tracking = Tracking(reserving)
            sending = UsageSending(settings, tracking, measuring.db, measuring.clock)
            try:
                await sending.send(acting, record)
            finally:
                await sending.stop()

        yield Holding(reserving), lambda record: asyncio.run(deliver(record)), acting
