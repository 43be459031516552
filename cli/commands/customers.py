"""`tollbook customers`: who pays, and for whose usage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli.documents import read_document
from cli.metadata import Metadata, pairs_of
from cli.options import Json, StateDir
from cli.output import print_list, print_resource
from cli.tenants import TenantSlug, tenant_clock, tenant_transaction

if TYPE_CHECKING:
    from datetime import datetime

app = typer.Typer(help="Create, link, list, change and delete customers.", no_args_is_help=True)

Slug = Annotated[str, typer.Argument(help="The customer's slug, or its id.")]
Subject = Annotated[str, typer.Argument(help="Who used, as events say it.")]
Name = Annotated[str | None, typer.Option(help="What people call it.")]
Zone = Annotated[str | None, typer.Option(help="Its time zone, such as Europe/Berlin.")]
Billing = Annotated[
    Path | None,
    typer.Option(help="TOML or JSON: name, email, address or postal_address, tax_ids."),
]
Parent = Annotated[str | None, typer.Option(help="The customer above it.")]
Payer = Annotated[Literal["self", "parent"] | None, typer.Option(help="Who gets its invoices.")]
Invoices = Annotated[
    Literal["together", "apart"] | None,
    typer.Option(help="Who pays for others: one invoice for all, or one for each."),
]
User = Annotated[str | None, typer.Option("--user", help="UUID of the person that it is.")]


@app.command("list")
def list_customers(
    subject: Annotated[str | None, typer.Option(help="Those who pay for it, ever.")] = None,
    parent: Annotated[str | None, typer.Option(help="Those below this customer.")] = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Those that are gone.")] = False,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """List customers, oldest first.

    Example: tollbook customers list --subject contoso-chat --json
    """
    from subscriptions.customers.customer import (
        customers_of_subject,
        page_of_customers,
        read_customer,
    )

    with tenant_transaction(state_dir, tenant) as (conn, tenant_id):
        found = page_of_customers(
            conn,
            tenant_id,
            limit=1_000_000,
            ids=None if subject is None else customers_of_subject(conn, tenant_id, subject),
            parent_id=None if parent is None else read_customer(conn, tenant_id, parent).id,
            deleted=deleted,
        )
    columns = ("id", "slug", "name", "currency", "time_zone", "payer")
    print_list(
        found, as_json, columns, lambda each: [each.as_resource()[column] for column in columns]
    )


@app.command()
def show(
    slug: Slug,
    known_at: Annotated[str | None, typer.Option(help="As known at this instant.")] = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
) -> None:
    """Print a customer as JSON, with its subjects and payment methods.

    Example: tollbook customers show contoso --known-at 2026-01-01T00:00Z
    """
    from subscriptions.customers.customer import known_customer, read_customer
    from subscriptions.customers.payment_methods import payment_methods_of
    from subscriptions.customers.subjects import page_of_subjects

    at = _instant(known_at, "--known-at")
    with tenant_transaction(state_dir, tenant, snapshot=True) as (conn, tenant_id):
        customer = read_customer(conn, tenant_id, slug)
        found = customer if at is None else known_customer(conn, tenant_id, slug, at)
        links = page_of_subjects(conn, customer, limit=1_000_000, known_at=at)
        shown = found.as_resource() | {"subjects": [link.as_resource() for link in links]}
        if at is None:
            methods = payment_methods_of(conn, customer)
            shown["payment_methods"] = [each.as_resource() for each in methods]
    print(json.dumps(shown, indent=2, ensure_ascii=False))


@app.command()
def create(
    slug: Annotated[str, typer.Argument(help="What programs call it.")],
    currency: Annotated[str, typer.Option(help="What it pays in, such as EUR.")],
    name: Name = None,
    time_zone: Zone = None,
    billing_info: Billing = None,
    parent: Parent = None,
    payer: Payer = None,
    invoices: Invoices = None,
    user_id: User = None,
    metadata: Metadata = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Create a customer.

    Example: tollbook customers create contoso --currency EUR --time-zone Europe/Berlin
    """
    from subscriptions.customers.facts import NewCustomer, facts_of
    from subscriptions.customers.register import create_customer

    told = _told(
        name, time_zone, currency, billing_info, parent, payer, invoices, user_id, metadata
    )
    new = facts_of(NewCustomer, told | {"slug": slug})
    with tenant_transaction(state_dir, tenant) as (conn, tenant_id):
        made = create_customer(conn, tenant_clock(conn, tenant_id), tenant_id, new)
    print_resource(made.as_resource(), as_json, f"created customer {slug}")


@app.command()
def change(
    slug: Slug,
    name: Name = None,
    time_zone: Zone = None,
    currency: Annotated[
        str | None, typer.Option(help="What it pays in, until it buys something.")
    ] = None,
    billing_info: Billing = None,
    parent: Parent = None,
    no_parent: Annotated[
        bool, typer.Option("--no-parent", help="Let it stand alone and pay itself.")
    ] = False,
    payer: Payer = None,
    invoices: Invoices = None,
    user_id: User = None,
    metadata: Metadata = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Change what is named; the rest stays. A file of --billing-info replaces all there was.

    Example: tollbook customers change contoso --name "Contoso AG" --billing-info buyer.toml
    """
    from subscriptions.customers.facts import CustomerFacts, facts_of
    from subscriptions.customers.register import change_customer

    told = _told(
        name, time_zone, currency, billing_info, parent, payer, invoices, user_id, metadata
    )
    if no_parent:
        told |= {"parent": None, "payer": "self"}
    facts = facts_of(CustomerFacts, told)
    with tenant_transaction(state_dir, tenant) as (conn, tenant_id):
        changed = change_customer(conn, tenant_clock(conn, tenant_id), tenant_id, slug, facts)
    print_resource(
        changed.as_resource(), as_json, f"customer {slug} is at revision {changed.revision}"
    )


@app.command()
def delete(
    slug: Slug,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Let nothing be sold to a customer any more; its invoices stay.

    Example: tollbook customers delete contoso
    """
    from subscriptions.customers.register import delete_customer

    with tenant_transaction(state_dir, tenant) as (conn, tenant_id):
        gone = delete_customer(conn, tenant_clock(conn, tenant_id), tenant_id, slug)
    shown = gone.as_resource()
    print_resource(shown, as_json, f"deleted customer {slug}; its id is {shown['id']}")


@app.command()
def link(
    slug: Slug,
    subject: Subject,
    start: Annotated[
        str | None,
        typer.Option("--from", help="First instant. Default: since ever; with --move, now."),
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="The instant after the last.")] = None,
    move: Annotated[
        bool, typer.Option("--move", help="Take it over from whoever pays for it then.")
    ] = False,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Let a customer pay for a subject's usage.

    Example: tollbook customers link contoso contoso-chat --from 2026-03-01T00:00Z --move
    """
    from subscriptions.customers.customer import read_customer
    from subscriptions.customers.subjects import SINCE_EVER, link_subject

    since, until = _instant(start, "--from"), _instant(end, "--to")
    with tenant_transaction(state_dir, tenant) as (conn, tenant_id):
        clock = tenant_clock(conn, tenant_id)
        since = since or (clock.now() if move else SINCE_EVER)
        customer = read_customer(conn, tenant_id, slug)
        made, _ = link_subject(conn, clock, customer, subject, since, until, move=move)
    print_resource(made.as_resource(), as_json, f"{slug} pays for {subject} from {since}")


@app.command()
def unlink(
    slug: Slug,
    subject: Subject,
    at: Annotated[str | None, typer.Option(help="From which instant on. Default: now.")] = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Let a customer pay for a subject's usage no more.

    Example: tollbook customers unlink contoso contoso-chat --at 2026-03-01T00:00Z
    """
    from subscriptions.customers.customer import find_customer
    from subscriptions.customers.subjects import unlink_subject

    given = _instant(at, "--at")
    with tenant_transaction(state_dir, tenant) as (conn, tenant_id):
        clock = tenant_clock(conn, tenant_id)
        instant = given or clock.now()
        customer = find_customer(conn, tenant_id, slug)
        ended = unlink_subject(conn, clock, customer, subject, instant)
    print_resource(ended.as_resource(), as_json, f"{slug} pays for {subject} until {instant}")


def _told(
    name: str | None,
    time_zone: str | None,
    currency: str | None,
    billing_info: Path | None,
    parent: str | None,
    payer: str | None,
    invoices: str | None,
    user_id: str | None,
    metadata: list[str] | None,
) -> dict[str, Any]:
    """What options say of a customer, as a document of facts."""
    told = {
        "name": name,
        "time_zone": time_zone,
        "currency": currency,
        "billing_info": None if billing_info is None else read_document(billing_info),
        "parent": parent,
        "payer": payer,
        "invoices": invoices,
        "user_id": user_id,
        "metadata": pairs_of(metadata),
    }
    return {field: value for field, value in told.items() if value is not None}


def _instant(text: str | None, option: str) -> datetime | None:
    from cli.invoices import parse_instant

    return None if text is None else parse_instant(text, option)
