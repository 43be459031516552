"""Due periods, usage and prices in, draft invoices out: the pure heart of run, preview, what-if."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Context, Decimal
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import polars as pl

from core.clock import epoch_micros
from core.ids import InvoiceId
from core.money import Money
from invoicing.errors import CurrencyMismatchError, NegativeTotalError
from invoicing.model import PERIOD_KIND, Billable, Invoice, InvoiceLine, PlanLine, RunTerms
from invoicing.proof import derived_uuid, usage_digest
from rating.engine import rate_period
from rating.frames import INSTANT_DTYPE, LINES, PERIOD_KEY, QUANTITY_DTYPE
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
    rows = iter(rated.to_dicts())
    digests = _digests(billables, usage)
    return [_invoice(terms, each, [next(rows) for _ in each.lines], digests) for each in billables]


def _check_currencies(billables: Sequence[Billable]) -> None:
    for billable in billables:
        for line in billable.lines:
            if line.price.currency != billable.currency:
                raise CurrencyMismatchError(
                    f"{line.key}: its price is in {line.price.currency}, the subscription in"
                    f" {billable.currency}; currency is fixed per subscription",
                    subscription_id=str(billable.subscription_id),
                )


_DigestKey = tuple[str, datetime, str]


def _digests(billables: Sequence[Billable], usage: pl.DataFrame) -> dict[_DigestKey, str]:
    """The usage digest of every metered line, of no rows where nothing was used."""
    parts = usage.partition_by([*PERIOD_KEY, "meter_id"], as_dict=True)
    nothing = pl.DataFrame(schema=SUBJECT_USAGE)
    digests: dict[_DigestKey, str] = {}
    for billable in billables:
        for line in billable.lines:
            if line.meter_id is not None:
                key = (str(billable.subscription_id), billable.period.start, str(line.meter_id))
                digests[key] = usage_digest(key[2], billable.period, parts.get(key, nothing))
    return digests


def _invoice(
    terms: RunTerms,
    billable: Billable,
    rated: list[dict[str, Any]],
    digests: dict[_DigestKey, str],
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
        _line(invoice_id, billable, position, line, row, digests)
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
        due_at=_days_later(terms.as_of, terms.payment_days, billable.time_zone),
        lines=lines,
    )


def _line(
    invoice_id: InvoiceId,
    billable: Billable,
    position: int,
    line: PlanLine,
    row: dict[str, Any],
    digests: dict[_DigestKey, str],
) -> InvoiceLine:
    digest_key = (row["subscription_id"], row["period_start"], row["meter_id"])
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
        usage_digest=digests[digest_key] if line.meter_id is not None else None,
        rounding_mode=row["rounding_mode"],
        rule_version=row["rule_version"],
    )


def _days_later(at: datetime, days: int, time_zone: str) -> datetime:
    """The same wall-clock time some days later where the customer lives."""
    local = at.astimezone(ZoneInfo(time_zone)).replace(tzinfo=None) + timedelta(days=days)
    return local.replace(tzinfo=ZoneInfo(time_zone)).astimezone(at.tzinfo)
