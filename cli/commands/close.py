"""`tollbook close`: invoice every period that has ended."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Json, StateDir

if TYPE_CHECKING:
    from core.clock import Clock
    from db.postgres import Database
    from invoicing.billing_run import BillingRunner, Closed
    from invoicing.hand_over import Waiting
    from invoicing.preview import Preview
    from invoicing.tenants import BillingTenant
    from usage.reader import UsageReader

BlockCustomers = Annotated[
    int, typer.Option(min=1, max=100_000, help="Customers whose drafts share one transaction.")
]


def close(
    as_of: Annotated[str, typer.Option(help="Close periods that ended by this instant.")],
    tenant: Annotated[
        str | None, typer.Option(help="Slug or UUID; default: all but sandboxes.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the same invoices, write nothing.")
    ] = False,
    block_customers: BlockCustomers = 1_000,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """Invoice every period that ended by an instant. Safe to repeat, and to run twice at once.

    Customers that cannot be billed are parked: the others get their invoices, exit code 1. What
    tenants hand over to each other is brought before and after.

    Example: tollbook close --as-of 2023-12-01T00:00:00Z --dry-run
    """
    from cli.invoices import parse_instant
    from core.clock import SystemClock
    from core.ids import format_id
    from db.postgres import Database, Role
    from infra.local.state import resolve_endpoints
    from invoicing.hand_over import close_tenants
    from invoicing.preview import preview
    from invoicing.tenants import billing_tenants
    from usage.reader import UsageReader

    at = parse_instant(as_of, "--as-of")
    endpoints = resolve_endpoints(os.environ, state_dir)
    with (
        Database(endpoints.postgres, Role.BILLING) as db,
        _open(UsageReader(endpoints.clickhouse)) as usage,
    ):
        with db.transaction() as conn:
            tenants = billing_tenants(conn, tenant)
        clock = SystemClock()
        results: list[Closed] | list[Preview]
        waiting: list[Waiting] = []
        if dry_run:
            results = [preview(db, usage, clock, each, at, block_customers) for each in tenants]
        else:
            results, waiting = close_tenants(
                db, clock, tenants, lambda each: _run(db, usage, clock, each, at, block_customers)
            )
    _print(results, as_json)
    for left in waiting:
        name = format_id("inv", left.draft_id)
        print(f"not handed over {name}: {left.reason}", file=sys.stderr)
    parked = sum(len(result.parked) for result in results)
    if parked:
        print(f"error: {parked} customer(s) were not billed, see above", file=sys.stderr)
        raise typer.Exit(1)


def _run(
    db: Database,
    usage: UsageReader,
    clock: Clock,
    tenant: BillingTenant,
    as_of: datetime,
    block_customers: int,
) -> list[Closed]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from core.collecting import YOUNG_OBJECTS_OF_BATCH, collect_less
    from invoicing.billing_run import BillingRunner

    collect_less(YOUNG_OBJECTS_OF_BATCH)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(f"customers of {tenant.slug}", total=None)
        runner: BillingRunner = BillingRunner(
            db,
            usage,
            clock,
            block_customers=block_customers,
            progress=lambda customers: bars.update(task, advance=customers),
        )
        return list(runner.close(tenant, as_of))


@contextmanager
def _open(usage: UsageReader) -> Iterator[UsageReader]:
    try:
        yield usage
    finally:
        usage.close()


def _print(results: list[Closed] | list[Preview], as_json: bool) -> None:
    from cli.invoices import print_invoices
    from core.ids import format_id
    from invoicing.document import invoice_document

    if as_json:
        content = [
            {
                "tenant": result.tenant.slug,
                "invoices": [invoice_document(invoice) for invoice in result.invoices],
                "parked": [
                    {
                        "customer": format_id("cus", parked.customer_id),
                        "code": parked.error_code,
                        "message": parked.error_message,
                    }
                    for parked in result.parked
                ],
            }
            for result in results
        ]
        print(json.dumps(content, indent=2, ensure_ascii=False))
        return
    print_invoices([invoice for result in results for invoice in result.invoices])
    for result in results:
        for parked in result.parked:
            customer = format_id("cus", parked.customer_id)
            print(f"parked {customer}: {parked.error_message}", file=sys.stderr)
