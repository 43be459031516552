"""`python -m benchmarks.demo`: the whole story, from an empty folder to two invoices."""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.demo.check import (
    Comparison,
    all_same,
    invoice_comparisons,
    ledger_comparisons,
    lost_and_twice,
)
from benchmarks.demo.recount import recount
from benchmarks.demo.stage import Show, Stage
from benchmarks.demo.trace import DATA, Request, read_requests
from benchmarks.demo.traffic import Sent, send, wait_until
from core.clock import SystemClock, monotonic_seconds
from core.errors import TollbookError
from db.postgres import Database
from documents.pdf import invoice_pdf
from invoicing.billing_run import BillingRunner
from invoicing.document import document_bytes, invoice_document
from invoicing.model import Invoice
from invoicing.tenants import billing_tenants
from subscriptions.setup import apply_catalog
from usage.reader import UsageReader
from usage.verify import VerifyReport, verify

CATALOG = Path(__file__).with_name("catalog.toml")
CLOSE_AT = datetime(2023, 12, 1, tzinfo=UTC)
TENANT = "azure-llm"
_CENTS = -2
CUSTOMERS = {"code": "Code Completion GmbH", "conv": "Conversation Ltd"}


def main() -> int:
    """Run the demo; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.demo",
        description="Meter and bill a real trace, kill a worker meanwhile, and prove the result.",
        epilog="Example: python -m benchmarks.demo --folder .tollbook-demo",
    )
    parser.add_argument("--folder", type=Path, default=Path(".tollbook-demo"))
    folder = parser.parse_args().folder.absolute()
    console, began = Console(soft_wrap=True), monotonic_seconds()
    stage = Stage(folder)
    try:
        with progress(console) as (show, bars):
            stage.begin(show)
            passed = tell(stage, console, bars)
    except (TollbookError, TimeoutError) as error:
        console.print(f"error: {error}", style="red", highlight=False, markup=False)
        return 1
    finally:
        stage.end(lambda _part, _phrase: None)
    console.print(f"invoices (PDF, JSON) in {folder / 'invoices'}", highlight=False)
    console.print(f"{monotonic_seconds() - began:.0f} s", highlight=False)
    console.print(passed or "demo FAILED: something differs, see above", highlight=False)
    return 0 if passed else 1


def tell(stage: Stage, console: Console, bars: Progress) -> str:
    """Send, meter, close, compare; returns the closing line, or nothing where anything differs."""
    api_key = apply_set_up(stage)
    url = stage.serve("ingest", "ingest", "--port", "0").wait_for(r"listening on (http://\S+)")[1]
    worker = stage.serve("streams", "streams", "--worker-id", "demo")
    requests = list(read_requests())
    task = bars.add_task("requests sent", total=len(requests))
    sent = send(
        url, api_key, requests, worker, stage.endpoints, lambda n: bars.update(task, advance=n)
    )
    console.print(
        f"sent {sent.events} requests and {sent.copies} copies on purpose;"
        f" the worker was killed with SIGKILL half-way and started {worker.starts} times"
    )
    wait_until_all_metered(stage, sent, bars)
    report = verify(stage.endpoints.clickhouse, stage.meters().load().meters)
    invoices = close(stage)
    save(stage.folder / "invoices", invoices.values())
    return print_proof(console, report, sent, requests, invoices)


def apply_set_up(stage: Stage) -> str:
    """Tenant, meters, plan, customers and subscriptions from the file; returns the API key."""
    document = tomllib.loads(CATALOG.read_text(encoding="utf-8"))
    with Database(stage.endpoints.postgres) as db:
        api_key = apply_catalog(db, SystemClock(), document).api_key
    if api_key is None:
        raise TollbookError(f"{stage.folder} was not empty: the tenant has a key already")
    return api_key


def wait_until_all_metered(stage: Stage, sent: Sent, bars: Progress) -> None:
    """Wait until the ledger has judged as many events as were sent."""
    task = bars.add_task("events judged", total=sent.events + sent.copies)
    meters = stage.meters().load().meters

    def judged(_: dict[str, int]) -> bool:
        events = verify(stage.endpoints.clickhouse, meters).totals["events"]
        bars.update(task, completed=events)
        return events >= sent.events + sent.copies

    wait_until(stage.endpoints, judged)


def close(stage: Stage) -> dict[str, Invoice]:
    """Close November 2023; the invoices by service."""
    usage = UsageReader(stage.endpoints.clickhouse)
    try:
        with Database(stage.endpoints.postgres) as db:
            with db.transaction() as conn:
                (tenant,) = billing_tenants(conn, TENANT)
            (closed,) = BillingRunner(db, usage, SystemClock()).close(tenant, CLOSE_AT)
    finally:
        usage.close()
    if closed.parked:
        raise TollbookError(f"a customer was not billed: {closed.parked[0].error_message}")
    by_name = {str(invoice.buyer["name"]): invoice for invoice in closed.invoices}
    return {service: by_name[name] for service, name in CUSTOMERS.items() if name in by_name}


def save(folder: Path, invoices: Iterable[Invoice]) -> None:
    """Each invoice as PDF and as canonical JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    for invoice in invoices:
        (folder / f"{invoice.number}.json").write_bytes(document_bytes(invoice))
        (folder / f"{invoice.number}.pdf").write_bytes(invoice_pdf(invoice_document(invoice)))


def print_proof(
    console: Console,
    report: VerifyReport,
    sent: Sent,
    requests: list[Request],
    invoices: dict[str, Invoice],
) -> str:
    """Print every comparison; returns the closing line if all are equal."""
    expected = recount(DATA)
    tables = {"The ledger, against what was sent": ledger_comparisons(report, sent)}
    for service, invoice in invoices.items():
        title = f"{invoice.number}, {invoice.buyer['name']}, against the CSV"
        tables[title] = invoice_comparisons(invoice, expected[service])
    for title, comparisons in tables.items():
        print_comparisons(console, title, comparisons)
    lost, twice = lost_and_twice(invoices, expected)
    everything = [row for comparisons in tables.values() for row in comparisons]
    if not all_same(everything) or set(invoices) != set(expected) or lost or twice:
        return ""
    return (
        f"demo passed: {len(requests)} requests, {len(invoices)} invoices,"
        f" {lost} lost, {twice} counted twice"
    )


def print_comparisons(console: Console, title: str, comparisons: list[Comparison]) -> None:
    """A table with one row per value, both sides beside each other."""
    table = Table("value", title=title, title_justify="left")
    for column in ("Tollbook", "recount"):
        table.add_column(column, justify="right")
    table.add_column("")
    for row in comparisons:
        same = "[green]equal[/]" if row.same else "[bold red]DIFFERS[/]"
        table.add_row(row.what, plain(row.ours), plain(row.recount), same)
    console.print(table)


def plain(value: Decimal) -> str:
    """Grouped digits; cents stay, zeros behind a whole quantity go."""
    in_cents = value.as_tuple().exponent == _CENTS
    whole = value == value.to_integral_value() and not in_cents
    return f"{value.to_integral_value() if whole else value:,f}"


@contextmanager
def progress(console: Console) -> Iterator[tuple[Show, Progress]]:
    """Bars for people, and a function that shows how far the servers are."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bars:
        tasks = {}

        def show(part: str, phrase: str) -> None:
            if part not in tasks:
                tasks[part] = bars.add_task(part, total=1)
            done = phrase.startswith(("ready", "stopped", "outside"))
            bars.update(tasks[part], description=f"{part}: {phrase}", completed=int(done))

        yield show, bars


if __name__ == "__main__":
    sys.exit(main())
