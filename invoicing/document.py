"""The invoice as canonical JSON: deterministic bytes, amounts and quantities as text.

The content hash covers everything that is fixed when a draft is made: all but the number, the
status, of which invoice it is part, and the hash itself.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any, Final

from core.ids import format_id
from core.money import Currency, Money
from core.period import Period
from invoicing.model import WHOLE, Invoice, InvoiceLine
from invoicing.proof import canonical_json
from rating.explain import plain

FORMAT: Final = "tollbook.invoice.1"
FORMAT_TOGETHER: Final = "tollbook.invoice.2"
"""Of an invoice with groups."""
_PLAIN_KINDS: Final = frozenset({"usage", "fee"})
"""Those that a meter, or none, tells."""


def invoice_document(invoice: Invoice) -> dict[str, Any]:
    """The document of a draft or a numbered invoice, ready for JSON; holds no float."""
    content = _content(invoice)
    told = {
        "number": invoice.number,
        "status": invoice.status,
        "content_hash": _sha256(content),
    }
    if invoice.part_of:
        told["part_of"] = format_id("inv", invoice.part_of)
    return content | told


def document_bytes(invoice: Invoice) -> bytes:
    """The canonical bytes of `invoice_document`: the same invoice, the same bytes."""
    return canonical_json(invoice_document(invoice))


def content_hash(invoice: Invoice) -> str:
    """SHA-256 (hex) of the content: equal for a draft and for the invoice it became."""
    return _sha256(_content(invoice))


def _sha256(content: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(content)).hexdigest()


def group_document(group: Invoice) -> dict[str, Any]:
    """A draft as a group of an invoice: what the invoice does not say for all of them.

    `content_hash` is that of the draft by itself.
    """
    return _period_of(group) | {
        "id": format_id("inv", group.invoice_id),
        "content_hash": content_hash(group),
        "total": _money(group.total_minor, group.currency),
    }


def handed_document(draft: Invoice) -> dict[str, Any]:
    """The same for an invoice of another tenant, which is told nothing of the log."""
    told = group_document(draft)
    del told["cut"]
    tenant = {"id": format_id("ten", draft.tenant_id), "name": draft.seller["name"]}
    return told | {"tenant": tenant}


def _content(invoice: Invoice) -> dict[str, Any]:
    together = bool(invoice.groups or invoice.received)
    return {
        "format": FORMAT_TOGETHER if together else FORMAT,
        "id": format_id("inv", invoice.invoice_id),
        "kind": invoice.kind,
        "tenant_id": format_id("ten", invoice.tenant_id),
        "currency": invoice.currency.code,
        "issued_at": instant_text(invoice.issued_at),
        "due_at": instant_text(invoice.due_at),
        "seller": dict(invoice.seller),
        "buyer": {"id": format_id("cus", invoice.customer_id), **invoice.buyer},
        **(_groups_of(invoice) if together else _period_of(invoice)),
        "total": _money(invoice.total_minor, invoice.currency),
        "amount_due": _money(invoice.amount_due_minor, invoice.currency),
    }


def _groups_of(invoice: Invoice) -> dict[str, Any]:
    own = [group_document(group) for group in invoice.groups]
    return {
        **({"sandbox": True} if invoice.sandbox else {}),
        "period": _period_document(invoice),
        "groups": own + [dict(group.document) for group in invoice.received],
        "subtotal": _money(invoice.subtotal_minor, invoice.currency),
    }


def _period_of(invoice: Invoice) -> dict[str, Any]:
    """What was used in one period of one subscription."""
    assert invoice.subscription_id is not None
    assert invoice.plan_version_id is not None
    return {
        **_paid_for(invoice),
        **({"sandbox": True} if invoice.sandbox else {}),
        "subscription": {
            "id": format_id("sub", invoice.subscription_id),
            "plan_version_id": format_id("plv", invoice.plan_version_id),
            "plan": invoice.plan["name"],
            "plan_version": invoice.plan["version"],
        },
        "period": _period_document(invoice),
        "cut": invoice.cut.offsets,
        "lines": [_line(line, invoice.currency, invoice.period) for line in invoice.lines],
        "subtotal": _money(invoice.subtotal_minor, invoice.currency),
        **{
            name: _money(minor, invoice.currency)
            for name, minor in (
                ("credit_before", invoice.credit_before_minor),
                ("credit_after", invoice.credit_after_minor),
            )
            if minor
        },
    }


def _period_document(invoice: Invoice) -> dict[str, Any]:
    return {
        "start": instant_text(invoice.period.start),
        "end": instant_text(invoice.period.end),
        "time_zone": invoice.time_zone,
    }


def _money(amount_minor: int, currency: Currency) -> dict[str, str]:
    return Money(amount_minor, currency).as_json()


def _paid_for(invoice: Invoice) -> dict[str, Any]:
    """Who used it, where that is not the buyer."""
    used_by = invoice.paid_for
    if used_by is None:
        return {}
    return {"for": {"customer": format_id("cus", used_by.customer_id), "name": used_by.name}}


def _line(line: InvoiceLine, currency: Currency, period: Period) -> dict[str, Any]:
    unit_amount = None if line.unit_amount is None else plain(line.unit_amount)
    return _beyond(line, period) | {
        "id": format_id("lin", line.line_id),
        "key": line.line_key,
        "description": line.description,
        "meter_id": format_id("mtr", line.meter_id) if line.meter_id else None,
        "price": {
            "id": format_id("prc", line.price_id),
            "version": line.price_version,
            "hash": line.price_hash,
            "model": line.price_model,
            "parameters": dict(line.price_parameters),
            **_adjustments(line),
        },
        "quantity": plain(line.quantity),
        "unit_amount": unit_amount,
        "amount_exact": plain(line.amount_exact),
        "amount": Money(line.amount_minor, currency).as_json(),
        "event_count": line.event_count,
        "unmeterable_count": line.unmeterable_count,
        "usage_digest": line.usage_digest,
        "rounding_mode": line.rounding_mode,
        "rule_version": line.rule_version,
    }


def _adjustments(line: InvoiceLine) -> dict[str, Any]:
    return {"adjustments": dict(line.price_adjustments)} if line.price_adjustments else {}


def _beyond(line: InvoiceLine, period: Period) -> dict[str, Any]:
    """What only some lines say: the others are written as they were before there was more."""
    said = _own_period(line)
    if line.kind not in _PLAIN_KINDS:
        said["kind"] = line.kind
    if line.true_up_of:
        said["true_up_of"] = format_id("lin", line.true_up_of)
    if line.contract_id:
        said["contract"] = format_id("ctr", line.contract_id)
    if line.phase:
        said["phase"] = line.phase
    if line.service != period:
        start, end = instant_text(line.service.start), instant_text(line.service.end)
        said["service_period"] = {"start": start, "end": end}
    if line.share != WHOLE:
        numerator, denominator = line.share
        said["share"] = {"numerator": numerator, "denominator": denominator}
    if line.used_quantity != line.quantity:
        said["used_quantity"] = plain(line.used_quantity)
    if line.amount_remainder:
        said["amount_remainder"] = line.amount_remainder
    if line.tiers:
        said["tiers"] = [dict(step) for step in line.tiers]
    return said


def _own_period(line: InvoiceLine) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if line.in_advance:
        said["timing"] = "in_advance"
    if line.every:
        said["every"] = line.every
    if line.settles:
        said["settles"] = format_id("lin", line.settles)
    return said


def instant_text(at: datetime) -> str:
    """An instant as `2023-12-01T00:00:00Z`, with six decimals where it has any."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
