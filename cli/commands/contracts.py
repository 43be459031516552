"""`tollbook contracts`: what was agreed with a customer beside its plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cli.documents import read_document
from cli.options import Json, StateDir
from cli.output import print_list, print_resource
from cli.tenants import TenantSlug, tenant_clock, tenant_transaction

app = typer.Typer(help="Create, list, show and end contracts.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The contract's id or slug.")]
ContractFile = Annotated[
    Path, typer.Argument(help="TOML or JSON: slug, customer, maybe start, end, prices, minimum.")
]


@app.command("list")
def list_contracts(
    customer: Annotated[str | None, typer.Option(help="Only those of a customer.")] = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """List contracts, by slug.

    Example: tollbook contracts list --customer contoso --json
    """
    from subscriptions.contracts.contract import page_of_contracts
    from subscriptions.customers.customer import read_customer

    with tenant_transaction(state_dir, tenant, snapshot=True) as (conn, tenant_id):
        of = None if customer is None else read_customer(conn, tenant_id, customer).id
        found = page_of_contracts(conn, tenant_id, customer_id=of, limit=1_000_000)
    print_list(
        found,
        as_json,
        ("slug", "customer", "subscription", "from", "to", "minimum", "prices"),
        lambda each: (
            each.slug,
            each.customer,
            each.subscription or "",
            each.start.date().isoformat(),
            over.date().isoformat() if (over := each.ended_at or each.end) else "",
            "" if each.minimum is None else f"{each.minimum} {each.currency}",
            str(len(each.prices)),
        ),
        numbers={"minimum", "prices"},
    )


@app.command()
def show(name: Name, tenant: TenantSlug = None, state_dir: StateDir = Path(".tollbook")) -> None:
    """Print a contract with its prices, as JSON.

    Example: tollbook contracts show contoso-2026
    """
    from subscriptions.contracts.contract import find_contract

    with tenant_transaction(state_dir, tenant, snapshot=True) as (conn, tenant_id):
        found = find_contract(conn, tenant_id, name)
    print(json.dumps(found.as_resource(), indent=2, ensure_ascii=False))


@app.command()
def create(
    file: ContractFile,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Agree on prices of a customer's own, a minimum, an end, as a file says.

    Example: tollbook contracts create contoso-2026.toml
    """
    from subscriptions.contracts.body import parse_contract
    from subscriptions.contracts.register import create_contract

    body = parse_contract(read_document(file))
    with tenant_transaction(state_dir, tenant) as (conn, tenant_id):
        made = create_contract(conn, tenant_clock(conn, tenant_id), tenant_id, body)
    done = f"contract {made.slug} of {made.customer} holds from {made.start.isoformat()}"
    print_resource(made.as_resource(), as_json, done)


@app.command()
def end(
    name: Name,
    at: Annotated[
        str | None, typer.Option(help="An instant, as 2026-01-01T00:00:00Z. Default: now.")
    ] = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """End a contract before its term is over; the plan's prices hold again.

    Example: tollbook contracts end contoso-2026 --at 2026-07-01T00:00:00Z
    """
    from cli.invoices import parse_instant
    from subscriptions.contracts.register import end_contract

    when = None if at is None else parse_instant(at, "--at")
    with tenant_transaction(state_dir, tenant) as (conn, tenant_id):
        ended = end_contract(conn, tenant_clock(conn, tenant_id), tenant_id, name, when)
    over = ended.ended_at or ended.start
    print_resource(
        ended.as_resource(), as_json, f"contract {ended.slug} ends at {over.isoformat()}"
    )
