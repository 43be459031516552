"""Due periods, usage and prices in, draft invoices out: the pure heart of run, preview, what-if."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Any, Final
from uuid import UUID

import polars as pl

from core.calendar.zones import add_days, parse_time_zone
from core.clock import epoch_micros
from core.ids import InvoiceId
from core.money import Money
from invoicing.errors import CurrencyMismatchError, NegativeTotalError
from invoicing.model import PERIOD_KIND, Billable, Invoice, InvoiceLine, PlanLine, RunTerms
from invoicing.proof import derived_uuid
from rating.engine import rate_period
from rating.frames import INSTANT_DTYPE, LINES, PERIOD_KEY, QUANTITY_DTYPE
from rating.proof import row_digests
from rating.sums import sum_quantities

SUBJECT_USAGE: Final = pl.Schema(
    {
        "subscription_id": pl.String(),
        "period_start": INSTANT_DTYPE,
        "meter_id": pl.String(),
        "subject": pl.String(),
        "quantity": QUANTITY_DTYPE,
        "event_count": pl.Int64(),
        "unmeterable_count": pl.Int64(),
    }
)
"""Usage that is attributed to a subscription's period, by meter and subject."""

_COUNTS: Final = ("event_count", "unmeterable_count")
_EXACT: Final = Context(prec=60)


def assemble(terms: RunTerms, billables: Sequence[Billable], usage: pl.DataFrame) -> list[Invoice]:
    """One draft invoice per billable, in their order; `usage` has `SUBJECT_USAGE`.

    Raises `CurrencyMismatchError`, `NegativeTotalError`, `ValidationError` for a total that reaches
    10^18 minor units, and what `rating.engine.rate_period` raises.
    """
    _check_currencies(billables)
    lines = pl.DataFrame(
        [
            (
                str(billable.subscription_id),
                billable.period.start,
                line.key,
                str(line.meter_id) if line.meter_id else None,
                line.price.price_id,
            )
            for billable in billables
            for line in billable.lines
        ],
        schema=LINES,
        orient="row",
    )
    prices = {line.price.price_id: line.price for each in billables for line in each.lines}
    summed = sum_quantities(usage, (*PERIOD_KEY, "meter_id"), "quantity", _COUNTS)
    rated = rate_period(lines, summed, list(prices.values()))
    digests = row_digests(rated.select(*PERIOD_KEY, "meter_id"), usage)
    rows = iter(rated.with_columns(usage_digest=digests).to_dicts())
    return [_invoice(terms, each, [next(rows) for _ in each.lines]) for each in billables]


def _check_currencies(billables: Sequence[Billable]) -> None:
    for billable in billables:
        for line in billable.lines:
            if line.price.currency != billable.currency:
                raise CurrencyMismatchError(
                    f"{line.key}: its price is in {line.price.currency}, the subscription in"
                    f" {billable.currency}; currency is fixed per subscription",
                    subscription_id=str(billable.subscription_id),
                )


def _invoice(
    terms: RunTerms,
    billable: Billable,
    rated: list[dict[str, Any]],
) -> Invoice:
    invoice_id = InvoiceId(
        derived_uuid(
            billable.period.end,
            "invoice",
            str(billable.subscription_id),
            str(epoch_micros(billable.period.start)),
            PERIOD_KIND,
        )
    )
    lines = tuple(
        _line(invoice_id, billable, position, line, row)
        for position, (line, row) in enumerate(zip(billable.lines, rated, strict=True), start=1)
    )
    subtotal = Money(sum(line.amount_minor for line in lines), billable.currency)
    if subtotal.amount_minor < 0:
        raise NegativeTotalError(
            f"total: {subtotal.as_json()['amount']} {billable.currency} of subscription"
            f" {billable.subscription_id} for {billable.period} is negative: it takes a credit note"
        )
    return Invoice(
        invoice_id=invoice_id,
        tenant_id=terms.tenant_id,
        customer_id=billable.customer_id,
        subscription_id=billable.subscription_id,
        plan_version_id=billable.plan_version_id,
        kind=PERIOD_KIND,
        status="draft",
        number=None,
        period=billable.period,
        time_zone=billable.time_zone,
        currency=billable.currency,
        subtotal_minor=subtotal.amount_minor,
        total_minor=subtotal.amount_minor,
        amount_due_minor=subtotal.amount_minor,
        seller=terms.seller,
        buyer=billable.buyer,
        plan=billable.plan,
        cut=terms.cut,
        issued_at=terms.as_of,
        due_at=add_days(terms.as_of, terms.payment_days, parse_time_zone(billable.time_zone)),
        lines=lines,
    )


def _line(
    invoice_id: InvoiceId,
    billable: Billable,
    position: int,
    line: PlanLine,
    row: dict[str, Any],
) -> InvoiceLine:
    return InvoiceLine(
        line_id=derived_uuid(billable.period.end, "line", str(invoice_id), line.key),
        position=position,
        line_key=line.key,
        description=line.description,
        meter_id=line.meter_id,
        price_id=UUID(line.price.price_id),
        price_version=line.price_version,
        price_hash=line.price.content_hash,
        price_model=line.price.model,
        price_parameters=line.price.parameters,
        quantity=row["quantity"],
        unit_amount=row["unit_amount"],
        amount_exact=_EXACT.add(Decimal(row["amount_whole"]), row["amount_fraction"]),
        amount_minor=row["amount_minor"],
        event_count=row["event_count"],
        unmeterable_count=row["unmeterable_count"],
        usage_digest=row["usage_digest"] if line.meter_id is not None else None,
        rounding_mode=row["rounding_mode"],
        rule_version=row["rule_version"],
    )
