"""From an invoice's canonical JSON to the texts that stand on paper: dates, digits, names.

Everything is text when it reaches the template; the template only places it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from core.money import Currency
from documents.texts import DOT, date_text, group_digits, service_period
from documents.view_lines import line_rows

SANDBOX_NOTICE: Final = "SANDBOX \u2013 not an invoice"
"""What stands on every page of what a sandbox bills."""


def invoice_view(document: Mapping[str, Any]) -> dict[str, Any]:
    """What `invoice.typ` reads, from a document of format `tollbook.invoice.1`, or 2.

    Instants are shown in the payer's time zone, the period of a group in its own.
    """
    currency = Currency(document["currency"])
    zone = ZoneInfo(document["period"]["time_zone"])
    issued = datetime.fromisoformat(document["issued_at"]).astimezone(zone)
    together = "groups" in document
    groups = document["groups"] if together else [document]
    lines = [line for group in groups for line in group["lines"]]
    return {
        "draft": document["number"] is None,
        "notice": SANDBOX_NOTICE if document.get("sandbox") else "",
        "number": document["number"] or "Draft",
        "title": f"Invoice {document['number']}" if document["number"] else "Draft invoice",
        "issued": date_text(issued),
        "issued_on": [issued.year, issued.month, issued.day],
        "due": date_text(datetime.fromisoformat(document["due_at"]).astimezone(zone)),
        "currency": currency.code,
        "seller": _party(document["seller"]),
        "payment": list(document["seller"].get("payment", [])),
        "buyer": _party(document["buyer"]) | {"id": document["buyer"]["id"]},
        "used_by": document["for"]["name"] if "for" in document else "",
        "subscription": "" if together else document["subscription"]["id"],
        "plan": "" if together else document["subscription"]["plan"],
        "period": "" if together else service_period(document["period"], zone),
        "time_zone": document["period"]["time_zone"],
        "rows": [row for group in groups for row in _rows(group, document, together=together)],
        "subtotal": group_digits(document["subtotal"]["amount"]),
        "credits": _credits(document),
        "total": group_digits(document["total"]["amount"]),
        "amount_due": group_digits(document["amount_due"]["amount"]),
        "nothing_due": not Decimal(document["amount_due"]["amount"]),
        "unmeterable": _unmeterable_note(lines),
        "digest": document["content_hash"],
    }


def _rows(
    group: Mapping[str, Any], document: Mapping[str, Any], *, together: bool
) -> list[dict[str, Any]]:
    """The rows of its lines; of a group with its name above, its credits and subtotal below."""
    lines = [row for line in group["lines"] for row in line_rows(line, group["period"])]
    rows = [{"part": "line"} | row for row in lines]
    if not together:
        return rows
    name = group_name(group) or document["buyer"]["name"]
    period = group["period"]
    note = f"{service_period(period, ZoneInfo(period['time_zone']))} ({period['time_zone']})"
    blank = {"small": False, "quantity": "", "unit_amount": "", "per": "", "last": True}
    head = blank | {
        "part": "head",
        "description": name,
        "note": f"{group['subscription']['plan']}{DOT}{note}",
        "amount": "",
    }
    amount = group_digits(group["total"]["amount"])
    below = [*_credits(group), [f"Subtotal{DOT}{name}", amount]]
    sums = [
        blank | {"part": "sum", "description": each, "note": "", "amount": shown}
        for each, shown in below
    ]
    return [head, *rows, *sums]


def group_name(group: Mapping[str, Any]) -> str:
    """The tenant that a group came from, and whom it is for; nothing for the payer's own."""
    return DOT.join(group[part]["name"] for part in ("tenant", "for") if part in group)


def _credits(document: Mapping[str, Any]) -> list[list[str]]:
    """What was left by the invoice before, and what this one leaves for the next."""
    found = []
    if "credit_before" in document:
        amount = group_digits(f"-{document['credit_before']['amount']}")
        found.append(["Credit from the invoice before", amount])
    if "credit_after" in document:
        amount = group_digits(document["credit_after"]["amount"])
        found.append(["Credit carried on", amount])
    return found


def _party(party: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": party["name"],
        "address": list(party.get("address", [])),
        "email": party.get("email") or "",
        "tax_id": party.get("tax_id") or "",
    }


def _unmeterable_note(lines: list[Mapping[str, Any]]) -> str:
    count = sum(line["unmeterable_count"] for line in lines)
    if not count:
        return ""
    return f"{count:,} usage events carried no readable quantity and are not billed."
