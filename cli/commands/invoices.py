"""`tollbook invoices`: list, show and print what was billed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Json, StateDir
from cli.tenants import TenantSlug, chosen_tenant, open_database

if TYPE_CHECKING:
    from invoicing.model import Invoice

app = typer.Typer(help="List, show and print invoices.", no_args_is_help=True)

Reference = Annotated[str, typer.Argument(help="An invoice's id (inv_…) or number (INV-000001).")]


@app.command("list")
def list_invoices(
    tenant: TenantSlug = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most invoices shown.")] = 100,
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
) -> None:
    """List invoices in the order of their numbers, drafts last.

    Example: tollbook invoices list --tenant demo --json
    """
    from cli.invoices import print_invoices
    from invoicing.document import invoice_document
    from invoicing.store import select_invoices

    with open_database(state_dir) as db, db.transaction(snapshot=True) as conn:
        found = select_invoices(conn, tenant_id=chosen_tenant(conn, tenant).id, limit=limit)
    if as_json:
        documents = [invoice_document(invoice) for invoice in found]
        print(json.dumps(documents, indent=2, ensure_ascii=False))
    else:
        print_invoices(found)


@app.command()
def show(
    reference: Reference,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
    as_text: Annotated[
        bool, typer.Option("--text", help="For people: lines, with their tiers below them.")
    ] = False,
) -> None:
    """Print an invoice as its canonical JSON, the same bytes each time.

    Example: tollbook invoices show INV-000001 | sha256sum

    tollbook invoices show INV-000001 --text
    """
    import sys

    from cli.invoices import print_invoice
    from invoicing.document import document_bytes, invoice_document

    invoice = _find(reference, tenant, state_dir)
    if as_text:
        print_invoice(invoice_document(invoice))
        return
    sys.stdout.buffer.write(document_bytes(invoice))
    sys.stdout.buffer.flush()


@app.command()
def pdf(
    reference: Reference,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Default: <number>.pdf, here.")
    ] = None,
    tenant: TenantSlug = None,
    state_dir: StateDir = Path(".tollbook"),
) -> None:
    """Write an invoice as a PDF and print the file's path.

    Example: tollbook invoices pdf INV-000001 -o november.pdf
    """
    from core.ids import format_id
    from documents.pdf import invoice_pdf
    from invoicing.document import invoice_document

    invoice = _find(reference, tenant, state_dir)
    name = invoice.number or format_id("inv", invoice.invoice_id)
    path = output or Path(f"{name.replace('/', '-')}.pdf")
    path.write_bytes(invoice_pdf(invoice_document(invoice)))
    print(path)


def _find(reference: str, tenant: str | None, state_dir: Path) -> Invoice:
    from invoicing.store import find_invoice

    with open_database(state_dir) as db, db.transaction(snapshot=True) as conn:
        return find_invoice(conn, reference, chosen_tenant(conn, tenant).id)
