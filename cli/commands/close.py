"""`tollbook close`: invoice every period that has ended."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import Json, StateDir

if TYPE_CHECKING:
    from core.clock import Clock
    from db.postgres import Database
    from invoicing.billing_run import BillingRunner
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

    Customers that cannot be billed are parked: the others get their invoices, exit code 1.

    Example: tollbook close --as-of 2023-12-01T00:00:00Z --dry-run
    """
    from cli.invoices import parse_instant
    from core.clock import SystemClock
    from db.postgres import Database, Role
    from infra.local.state import resolve_endpoints
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
        work = _preview if dry_run else _run
        results = [
            result
            for each in tenants
            for result in work(db, usage, SystemClock(), each, at, block_customers)
        ]
    _print(results, as_json)
    parked = sum(len(result.parked) for result in results)
    if parked:
        print(f"error: {parked} customer(s) were not billed, see above", file=sys.stderr)
        raise typer.Exit(1)


def _preview(
    db: Database,
    usage: UsageReader,
    clock: Clock,
    tenant: BillingTenant,
    as_of: datetime,
    block_customers: int,
) -> list[Any]:
    from invoicing.preview import preview

    return [preview(db, usage, clock, tenant, as_of, block_customers)]


def _run(
    db: Database,
    usage: UsageReader,
    clock: Clock,
    tenant: BillingTenant,
    as_of: datetime,
    block_customers: int,
) -> list[Any]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from core.collecting import collect_less
    from invoicing.billing_run import BillingRunner

    collect_less()
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


def _print(results: list[Any], as_json: bool) -> None:
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
