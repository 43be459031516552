"""Invoices in Postgres: drafts in, invoices out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

import sql
from core.ids import (
    BillingRunId,
    ContractId,
    CustomerId,
    InvoiceId,
    MeterId,
    SubscriptionId,
    TenantId,
    parse_id,
)
from core.money import Currency
from core.period import Period
from db.postgres import Connection
from invoicing.document import content_hash
from invoicing.errors import InvoiceNotFoundError
from invoicing.model import TOGETHER_KIND, Invoice, InvoiceLine, PaidFor, ReceivedGroup
from invoicing.settling import Account
from invoicing.together import ordered, ordered_received
from rating.proration import Share
from subscriptions.periods import credits_of
from usage.cut import Cut


def insert_drafts(
    conn: Connection,
    invoices: Sequence[Invoice],
    *,
    billing_run_id: BillingRunId,
    series_id: UUID,
    created_at: datetime,
) -> None:
    """Write the drafts of a run with their lines; they get numbers from `series_id` later."""
    shared = {"billing_run_id": billing_run_id, "series_id": series_id, "created_at": created_at}
    with conn.cursor() as cursor:
        cursor.executemany(
            sql.load("postgres/queries/insert_invoice"),
            [_invoice_values(invoice, shared) for invoice in invoices],
        )
        cursor.executemany(
            sql.load("postgres/queries/insert_invoice_line"),
            [_line_values(invoice, line) for invoice in invoices for line in invoice.lines],
        )


def find_invoice(conn: Connection, reference: str, tenant_id: TenantId | None = None) -> Invoice:
    """The invoice with an id (`inv_…`) or a number. Raises `InvoiceNotFoundError`.

    A number that several tenants use needs `tenant_id`.
    """
    by_id = reference.startswith("inv_")
    found = select_invoices(
        conn,
        tenant_id=tenant_id,
        invoice_id=InvoiceId(parse_id("inv", reference)) if by_id else None,
        number=None if by_id else reference,
        limit=2,
    )
    if len(found) != 1:
        problem = "no such invoice" if not found else "several tenants use this number; name one"
        raise InvoiceNotFoundError(f"invoice {reference}: {problem}", invoice=reference)
    return found[0]


def select_invoices(
    conn: Connection,
    *,
    tenant_id: TenantId | None = None,
    invoice_id: InvoiceId | None = None,
    number: str | None = None,
    billing_run_id: BillingRunId | None = None,
    ids: Sequence[UUID] | None = None,
    limit: int | None = None,
) -> list[Invoice]:
    """Invoices with their lines and groups, in the order of their numbers, drafts last.

    What is a group of another invoice is found by its id alone.
    """
    rows = conn.execute(
        sql.load("postgres/queries/select_invoices"),
        {
            "tenant_id": tenant_id,
            "id": invoice_id,
            "number_text": number,
            "billing_run_id": billing_run_id,
            "ids": None if ids is None else list(ids),
            "limit": limit,
        },
    ).fetchall()
    return _with_lines(conn, rows)


def page_of_invoices(
    conn: Connection,
    tenant_id: TenantId,
    *,
    customer_id: CustomerId | None = None,
    after: UUID | None = None,
    limit: int,
) -> list[Invoice]:
    """Invoices, the oldest first, drafts too: all, or those that a customer pays."""
    rows = conn.execute(
        sql.load("postgres/queries/select_invoice_page"),
        {
            "tenant_id": tenant_id,
            "customer_id": customer_id,
            "after": after or UUID(int=0),
            "limit": limit,
        },
    ).fetchall()
    return _with_lines(conn, rows)


def _with_lines(conn: Connection, rows: Sequence[dict[str, Any]]) -> list[Invoice]:
    together = [row["id"] for row in rows if row["kind"] == TOGETHER_KIND]
    parts = _parts_of(conn, together) if together else []
    received = _received_of(conn, together) if together else {}
    lines: defaultdict[UUID, list[InvoiceLine]] = defaultdict(list)
    for row in conn.execute(
        sql.load("postgres/queries/select_invoice_lines"),
        {"invoice_ids": [row["id"] for row in (*rows, *parts)]},
    ):
        lines[row["invoice_id"]].append(_line(row))
    groups: defaultdict[UUID, list[Invoice]] = defaultdict(list)
    for row in parts:
        groups[row["part_of"]].append(_invoice(row, tuple(lines[row["id"]])))
    return [
        replace(
            _invoice(row, tuple(lines[row["id"]])),
            groups=ordered(groups[row["id"]]),
            received=ordered_received(received.get(row["id"], ())),
        )
        for row in rows
    ]


def _parts_of(conn: Connection, invoice_ids: Sequence[UUID]) -> list[dict[str, Any]]:
    query = sql.load("postgres/queries/select_invoice_parts")
    return conn.execute(query, {"invoice_ids": list(invoice_ids)}).fetchall()


def _received_of(conn: Connection, invoice_ids: Sequence[UUID]) -> dict[UUID, list[ReceivedGroup]]:
    found: defaultdict[UUID, list[ReceivedGroup]] = defaultdict(list)
    query = sql.load("postgres/queries/select_groups_received")
    for row in conn.execute(query, {"invoice_ids": list(invoice_ids)}):
        found[row["invoice_id"]].append(received_group(row))
    return found


def received_group(row: dict[str, Any]) -> ReceivedGroup:
    """A row of `invoicing.received_groups`."""
    return ReceivedGroup(
        member_tenant_id=TenantId(row["member_tenant_id"]),
        draft_id=InvoiceId(row["draft_id"]),
        customer_id=CustomerId(row["customer_id"]),
        currency=Currency(row["currency"]),
        total_minor=row["total_minor"],
        document=row["document"],
        issued_at=row["issued_at"],
    )


def read_accounts(
    conn: Connection, tenant_id: TenantId, since: Mapping[SubscriptionId, datetime]
) -> dict[SubscriptionId, Account]:
    """What subscriptions were billed in advance by invoices that ended at `since` or later.

    Without what was taken back; and what their last invoices left of credits.
    """
    billed: defaultdict[UUID, list[InvoiceLine]] = defaultdict(list)
    for row in conn.execute(
        sql.load("postgres/queries/select_lines_in_advance"),
        {
            "tenant_id": tenant_id,
            "subscription_ids": list(since),
            "since": list(since.values()),
        },
    ):
        billed[row["subscription_id"]].append(_line(row))
    left = {row["id"]: row["credit_minor"] for row in credits_of(conn, tenant_id, since)}
    return {each: Account(tuple(billed[each]), left.get(each, 0)) for each in since}


def _invoice_values(invoice: Invoice, shared: dict[str, Any]) -> dict[str, Any]:
    return shared | {
        "id": invoice.invoice_id,
        "tenant_id": invoice.tenant_id,
        "customer_id": invoice.customer_id,
        "for_customer_id": invoice.paid_for and invoice.paid_for.customer_id,
        "for_name": invoice.paid_for and invoice.paid_for.name,
        "subscription_id": invoice.subscription_id,
        "plan_version_id": invoice.plan_version_id,
        "kind": invoice.kind,
        "period_start": invoice.period.start,
        "period_end": invoice.period.end,
        "time_zone": invoice.time_zone,
        "currency": invoice.currency.code,
        "credit_before_minor": invoice.credit_before_minor,
        "credit_after_minor": invoice.credit_after_minor,
        "subtotal_minor": invoice.subtotal_minor,
        "total_minor": invoice.total_minor,
        "amount_due_minor": invoice.amount_due_minor,
        "seller": Jsonb(dict(invoice.seller)),
        "buyer": Jsonb(dict(invoice.buyer)),
        "plan": Jsonb(dict(invoice.plan)),
        "cut": Jsonb(invoice.cut.offsets),
        "content_hash": content_hash(invoice),
        "issued_at": invoice.issued_at,
        "due_at": invoice.due_at,
        "sandbox": invoice.sandbox,
    }


def _line_values(invoice: Invoice, line: InvoiceLine) -> dict[str, Any]:
    return {
        "id": line.line_id,
        "tenant_id": invoice.tenant_id,
        "invoice_id": invoice.invoice_id,
        "position": line.position,
        "kind": line.kind,
        "true_up_of": line.true_up_of,
        "contract_id": line.contract_id,
        "phase": line.phase,
        "line_key": line.line_key,
        "description": line.description,
        "meter_id": line.meter_id,
        "price_id": line.price_id,
        "price_version": line.price_version,
        "price_hash": line.price_hash,
        "price_model": line.price_model,
        "price_parameters": Jsonb(dict(line.price_parameters)),
        "price_adjustments": Jsonb(dict(line.price_adjustments))
        if line.price_adjustments
        else None,
        "service_start": line.service.start,
        "service_end": line.service.end,
        "share_numerator": line.share.numerator,
        "share_denominator": line.share.denominator,
        "used_quantity": line.used_quantity,
        "tiers": _json_of([dict(step) for step in line.tiers]),
        "amount_remainder": line.amount_remainder,
        "quantity": line.quantity,
        "unit_amount": line.unit_amount,
        "amount_exact": line.amount_exact,
        "amount_minor": line.amount_minor,
        "event_count": line.event_count,
        "unmeterable_count": line.unmeterable_count,
        "usage_digest": line.usage_digest,
        "rounding_mode": line.rounding_mode,
        "rule_version": line.rule_version,
        "in_advance": line.in_advance,
        "every": line.every,
        "settles": line.settles,
    }


def _json_of(value: Any) -> Jsonb | None:
    """Null for what is empty, as it is for most lines."""
    return Jsonb(value) if value else None


def _invoice(row: dict[str, Any], lines: tuple[InvoiceLine, ...]) -> Invoice:
    return Invoice(
        invoice_id=InvoiceId(row["id"]),
        tenant_id=TenantId(row["tenant_id"]),
        customer_id=CustomerId(row["customer_id"]),
        subscription_id=row["subscription_id"] and SubscriptionId(row["subscription_id"]),
        plan_version_id=row["plan_version_id"],
        kind=row["kind"],
        status=row["status"],
        number=row["number_text"],
        period=Period(row["period_start"], row["period_end"]),
        time_zone=row["time_zone"],
        currency=Currency(row["currency"]),
        subtotal_minor=row["subtotal_minor"],
        total_minor=row["total_minor"],
        amount_due_minor=row["amount_due_minor"],
        seller=row["seller"],
        buyer=row["buyer"],
        plan=row["plan"],
        cut=Cut(row["cut"]),
        issued_at=row["issued_at"],
        due_at=row["due_at"],
        lines=lines,
        paid_for=_paid_for(row),
        sandbox=row["sandbox"],
        part_of=row["part_of"] and InvoiceId(row["part_of"]),
        credit_before_minor=row["credit_before_minor"],
        credit_after_minor=row["credit_after_minor"],
    )


def _paid_for(row: dict[str, Any]) -> PaidFor | None:
    if row["for_customer_id"] is None:
        return None
    return PaidFor(CustomerId(row["for_customer_id"]), row["for_name"])


def _line(row: dict[str, Any]) -> InvoiceLine:
    return InvoiceLine(
        line_id=row["id"],
        position=row["position"],
        kind=row["kind"],
        true_up_of=row["true_up_of"],
        line_key=row["line_key"],
        description=row["description"],
        meter_id=MeterId(row["meter_id"]) if row["meter_id"] else None,
        price_id=row["price_id"],
        price_version=row["price_version"],
        price_hash=row["price_hash"],
        price_model=row["price_model"],
        price_parameters=row["price_parameters"],
        price_adjustments=row["price_adjustments"] or {},
        service=Period(row["service_start"], row["service_end"]),
        share=Share(row["share_numerator"], row["share_denominator"]),
        used_quantity=row["used_quantity"],
        tiers=row["tiers"] or [],
        amount_remainder=row["amount_remainder"],
        quantity=row["quantity"],
        unit_amount=row["unit_amount"],
        amount_exact=row["amount_exact"],
        amount_minor=row["amount_minor"],
        event_count=row["event_count"],
        unmeterable_count=row["unmeterable_count"],
        usage_digest=row["usage_digest"],
        rounding_mode=row["rounding_mode"],
        rule_version=row["rule_version"],
        contract_id=ContractId(row["contract_id"]) if row["contract_id"] else None,
        phase=row["phase"],
        in_advance=row["in_advance"],
        every=row["every"],
        settles=row["settles"],
    )
