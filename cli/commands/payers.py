"""`tollbook payers`: customers of one tenant that another tenant of its owner invoices."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Json, StateDir
from cli.output import print_resource, print_table
from cli.tenants import TenantSlug, chosen_tenant, open_database, tenant_transaction

if TYPE_CHECKING:
    from core.acting import Acting
    from db.postgres import Database

app = typer.Typer(
    help="Let one tenant invoice customers of another one that has the same owner.",
    no_args_is_help=True,
)

Reference = Annotated[str, typer.Argument(help="The customer that pays: its slug, or its id.")]


@app.command("list")
def list_all(
    tenant: TenantSlug = None, state_dir: StateDir = Path(".tollbook"), as_json: Json = False
) -> None:
    """List what a tenant offers to others, and what it takes from them.

    Example: tollbook payers list --tenant acme-berlin --json
    """
    from invoicing.payer_links import links_of

    with tenant_transaction(state_dir, tenant, snapshot=True) as (conn, tenant_id):
        shown = [each.as_resource() for each in links_of(conn, tenant_id)]
    if as_json:
        print(json.dumps(shown, indent=2))
        return
    columns = ("slug", "side", "other_tenant", "other_customer", "currency", "accepted_at")
    print_table([[str(each[column] or "") for column in columns] for each in shown], columns)


@app.command()
def offer(
    customer: Reference,
    home: Annotated[str, typer.Option("--to", help="Slug of the tenant that shall invoice it.")],
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Offer a customer to another tenant, which then invoices it once it takes it.

    Example: tollbook payers offer globex --to acme-group --tenant acme-berlin
    """
    from core.clock import SystemClock
    from core.ids import format_id
    from invoicing import payer_links

    with open_database(state_dir) as db:
        acting, there = _acting(db, tenant), _acting(db, home)
        link = payer_links.offer(db, SystemClock(), acting, customer, there.tenant_id)
    shown = link.as_resource()
    told = f"offered {link.slug} to {home}; there: payers accept … --for"
    print_resource(shown, as_json, f"{told} {format_id('cus', link.customer_id)}")


@app.command()
def accept(
    customer: Reference,
    member: Annotated[str, typer.Option("--from", help="Slug of the tenant that offers.")],
    given: Annotated[str, typer.Option("--for", help="Its customer: the id, or the slug.")],
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Let a customer pay for what another tenant offers: one invoice, a group for each tenant.

    Example: tollbook payers accept globex --from acme-berlin --for globex --tenant acme-group
    """
    from core.clock import SystemClock
    from invoicing import payer_links

    with open_database(state_dir) as db:
        acting, there = _acting(db, tenant), _acting(db, member)
        link = payer_links.accept(db, SystemClock(), acting, customer, there.tenant_id, given)
    told = f"{link.slug} pays for {given} of {member}, from the next close on"
    print_resource(link.as_resource(), as_json, told)


@app.command()
def end(
    customer: Reference,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """End what either side agreed on; what was handed over is still invoiced.

    Example: tollbook payers end globex --tenant acme-berlin
    """
    from core.clock import SystemClock
    from invoicing import payer_links

    with open_database(state_dir) as db:
        ended = payer_links.end(db, SystemClock(), _acting(db, tenant), customer)
    print_resource({"ended": ended}, as_json, f"{customer}: {ended} agreement(s) ended")


def _acting(db: Database, slug: str | None) -> Acting:
    from core.acting import OPERATOR, Acting

    with db.transaction(snapshot=True) as conn:
        return Acting(chosen_tenant(conn, slug).id, OPERATOR)
