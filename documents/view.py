"""From an invoice's canonical JSON to the texts that stand on paper: dates, digits, names.

Everything is text when it reaches the template; the template only places it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from core.money import Currency

# fmt: off
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)
# fmt: on
_DASH: Final = "\N{EN DASH}"
_MINUS: Final = "\N{MINUS SIGN}"


def invoice_view(document: Mapping[str, Any]) -> dict[str, Any]:
    """What `invoice.typ` reads, from a document of format `tollbook.invoice.1`.

    Instants are shown in the customer's time zone.
    """
    currency = Currency(document["currency"])
    zone = ZoneInfo(document["period"]["time_zone"])
    issued = datetime.fromisoformat(document["issued_at"]).astimezone(zone)
    lines = document["lines"]
    return {
        "draft": document["number"] is None,
        "number": document["number"] or "Draft",
        "title": f"Invoice {document['number']}" if document["number"] else "Draft invoice",
        "issued": _date(issued),
        "issued_on": [issued.year, issued.month, issued.day],
        "due": _date(datetime.fromisoformat(document["due_at"]).astimezone(zone)),
        "currency": currency.code,
        "seller": _party(document["seller"]),
        "payment": list(document["seller"].get("payment", [])),
        "buyer": _party(document["buyer"]) | {"id": document["buyer"]["id"]},
        "subscription": document["subscription"]["id"],
        "plan": document["subscription"]["plan"],
        "period": service_period(document["period"], zone),
        "time_zone": document["period"]["time_zone"],
        "lines": [_line(line, currency) for line in lines],
        "subtotal": group_digits(document["subtotal"]["amount"]),
        "total": group_digits(document["total"]["amount"]),
        "amount_due": group_digits(document["amount_due"]["amount"]),
        "unmeterable": _unmeterable_note(lines),
        "digest": document["content_hash"],
    }


def group_digits(text: str) -> str:
    """Plain decimal text with separators and a true minus: "-1234567.80" → "−1,234,567.80"."""  # noqa: RUF002 - the sign is the point
    sign = _MINUS if text.startswith("-") else ""
    whole, point, decimals = text.removeprefix("-").partition(".")
    return f"{sign}{int(whole):,}{point}{decimals}"


def shortest(text: str) -> str:
    """A quantity without trailing zeros, grouped: "18243391.000000000000" → "18,243,391"."""
    whole, _, decimals = text.partition(".")
    kept = decimals.rstrip("0")
    return group_digits(f"{whole}.{kept}" if kept else whole)


def unit_price(parameters: Mapping[str, str], currency: Currency) -> dict[str, str]:
    """A price as it was sold: `amount` with at least the currency's digits, and `per`."""
    amount = Decimal(parameters["amount"])
    digits = max(currency.minor_digits, _decimals(amount))
    per = Decimal(parameters.get("per", "1"))
    return {
        "amount": group_digits(f"{amount:.{digits}f}"),
        "per": "" if per == 1 else f"per {shortest(f'{per:f}')}",
    }


def service_period(period: Mapping[str, str], zone: ZoneInfo) -> str:
    """The half-open period as people read it: whole days as first to last day, else with times."""
    start = datetime.fromisoformat(period["start"]).astimezone(zone)
    end = datetime.fromisoformat(period["end"]).astimezone(zone)
    if start.time() == end.time() == time():
        last = (end - timedelta(days=1)).date()
        return f"{_date(start)} {_DASH} {_date(datetime.combine(last, time()))}"
    return f"{_date(start)}, {_clock(start)} {_DASH} {_date(end)}, {_clock(end)}"


def _line(line: Mapping[str, Any], currency: Currency) -> dict[str, str]:
    price = unit_price(line["price"]["parameters"], currency)
    return {
        "description": line["description"],
        "quantity": shortest(line["quantity"]),
        "unit_amount": price["amount"],
        "per": price["per"],
        "amount": group_digits(line["amount"]["amount"]),
    }


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


def _decimals(amount: Decimal) -> int:
    exponent = amount.normalize().as_tuple().exponent
    assert isinstance(exponent, int), "a price is finite"
    return max(0, -exponent)


def _date(at: datetime) -> str:
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}"


def _clock(at: datetime) -> str:
    return at.strftime("%H:%M:%S" if at.second else "%H:%M")
