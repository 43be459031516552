"""How commands name and show invoices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cli.output import print_table
from core.errors import ValidationError
from documents.view import invoice_view
from invoicing.document import invoice_document
from invoicing.model import Invoice


def parse_instant(text: str, field: str) -> datetime:
    """An instant such as 2023-12-01T00:00:00Z, in UTC.

    Raises `ValidationError` without a time zone, and where UTC has no such year.
    """
    try:
        at = datetime.fromisoformat(text)
        instant = None if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        instant = None
    if instant is None:
        raise ValidationError(
            f"{field}: expected an instant with its time zone, 2023-12-01T00:00:00Z, got {text!r}",
            field=field,
        )
    return instant


def print_invoices(invoices: Sequence[Invoice]) -> None:
    """A table of invoices on stdout."""
    rows = []
    for invoice in invoices:
        document = invoice_document(invoice)
        rows.append(
            (
                invoice.number or f"({invoice.status.replace('_', ' ')})",
                invoice.status,
                str(invoice.buyer["name"]),
                f"{document['period']['start']} .. {document['period']['end']}",
                f"{document['total']['amount']} {invoice.currency}",
                document["id"],
            )
        )
    print_table(rows, ("number", "status", "customer", "period", "total", "id"))


def print_invoice(document: Mapping[str, Any]) -> None:
    """An invoice on stdout as on paper: its lines, tiers below them, and the total."""
    view = invoice_view(document)
    if view["notice"]:
        print(view["notice"])
    period = f"{view['period']} ({view['time_zone']})" if view["period"] else view["issued"]
    print(f"{view['title']} · {view['buyer']['name']} · {period}")
    rows = []
    for row in view["rows"]:
        price = " ".join(each for each in (row["unit_amount"], row["per"]) if each)
        indent = "  " if row["small"] else ""
        rows.append((f"{indent}{row['description']}", row["quantity"], price, row["amount"]))
        if row["note"]:
            rows.append((f"  {row['note']}", "", "", ""))
    rows.append(("Amount due", "", "", view["amount_due"]))
    numbers = ("quantity", "unit price", f"amount ({view['currency']})")
    print_table(rows, ("description", *numbers), numbers)
