"""Due periods, usage and prices in, draft invoices out: the pure heart of run, preview, what-if.

To rating, the period of a line is its span: usage of two spans of one period is kept apart, and
tiers begin again in each. So a price that is a percentage of other lines counts those whose spans
begin at the instant at which its own does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from core.calendar.zones import add_days, parse_time_zone
from core.clock import epoch_micros
from core.ids import InvoiceId, SubscriptionId
from core.money import Money
from invoicing.derivations import steps_of_lines
from invoicing.errors import CurrencyMismatchError, NegativeTotalError
from invoicing.model import (
    MINIMUM_KEY,
    OPENING_KIND,
    PERIOD_KIND,
    Billable,
    Invoice,
    InvoiceLine,
    LineKind,
    PlanLine,
    RunTerms,
    Section,
)
from invoicing.proof import derived_uuid
from invoicing.rating_frames import RatingFrames, parts_of
from invoicing.settling import Account, own_name, settled
from invoicing.used import Used
from rating.explain import exact_amount, plain
from rating.frames import SHARE
from rating.prices import model_named
from rating.proration import Share

_READ: Final = (
    *SHARE,
    *("line_id", "used_quantity", "quantity", "unit_amount", "event_count", "unmeterable_count"),
    *("amount_whole", "amount_fraction", "amount_rest", "amount_remainder", "amount_minor"),
    *("true_up_minor", "usage_digest", "rounding_mode", "rule_version"),
)
"""What an invoice says of a rated line; the rest it knows, and rows cost time."""

_ONE: Final = Decimal(1)


def assemble(
    terms: RunTerms,
    billables: Sequence[Billable],
    used: Used,
    accounts: Mapping[SubscriptionId, Account] = MappingProxyType({}),
) -> list[Invoice]:
    """One draft invoice per billable, in their order; none where in the end nothing is billed.

    `accounts` are what subscriptions were billed in advance before; they go on from one billable
    of theirs to the next.

    Raises `CurrencyMismatchError`, `NegativeTotalError`, `ValidationError` for a total that reaches
    10^18 minor units, and what `rating.engine.rate_period` raises.
    """
    _check_currencies(billables)
    frames = RatingFrames.of(billables, used)
    rated = frames.rated()
    steps = steps_of_lines(frames, rated)
    rows = iter(rated.select(_READ).to_dicts())
    known, invoices = dict(accounts), []
    for each in billables:
        items = [
            [_Rated(row, steps.get(row["line_id"], [])) for _ in part.lines for row in [next(rows)]]
            for part in each.parts
        ]
        account = known.get(each.subscription_id, Account())
        invoice = _invoice(terms, each, items, account)
        if invoice.lines or not each.sections:
            invoices.append(invoice)
            account = account.after(invoice.lines, invoice.credit_after_minor)
        known[each.subscription_id] = account
    return invoices


@dataclass(frozen=True, slots=True)
class _Rated:
    """A row of `rating.frames.RATED` with its digest, and the steps that are told of it."""

    row: dict[str, Any]
    steps: list[dict[str, Any]]


def _check_currencies(billables: Sequence[Billable]) -> None:
    for billable, part in parts_of(billables):
        for line in part.lines:
            if line.price.currency != billable.currency:
                raise CurrencyMismatchError(
                    f"{line.key}: its price is in {line.price.currency}, the subscription in"
                    f" {billable.currency}; currency is fixed per subscription",
                    subscription_id=str(billable.subscription_id),
                )


def _invoice(
    terms: RunTerms, billable: Billable, rated: Sequence[Sequence[_Rated]], account: Account
) -> Invoice:
    kind = OPENING_KIND if billable.opening else PERIOD_KIND
    invoice_id = InvoiceId(
        derived_uuid(
            billable.period.end,
            "invoice",
            str(billable.subscription_id),
            str(epoch_micros(billable.period.start)),
            kind,
        )
    )
    lines = list(_lines(invoice_id, billable, rated[0]))
    for section, each in zip(billable.sections, rated[1:], strict=True):
        lines += _own_lines(invoice_id, billable, section, each, account)
    lines = [replace(line, position=place) for place, line in enumerate(lines, start=1)]
    subtotal = Money(sum(line.amount_minor for line in lines), billable.currency)
    # A credit for what was billed in advance waits for the next invoice; nothing else does.
    arrears = sum(line.amount_minor for line in lines if not line.in_advance)
    if subtotal.amount_minor < 0 and arrears < 0:
        raise NegativeTotalError(
            f"total: {subtotal.as_json()['amount']} {billable.currency} of subscription"
            f" {billable.subscription_id} for {billable.period} is negative: it takes a credit note"
        )
    left = subtotal.amount_minor - account.credit_minor
    total = max(0, left)
    return Invoice(
        invoice_id=invoice_id,
        tenant_id=terms.tenant_id,
        customer_id=billable.customer_id,
        subscription_id=billable.subscription_id,
        plan_version_id=billable.plan_version_id,
        kind=kind,
        status="draft",
        number=None,
        period=billable.period,
        time_zone=billable.time_zone,
        currency=billable.currency,
        subtotal_minor=subtotal.amount_minor,
        total_minor=total,
        amount_due_minor=total,
        seller=terms.seller,
        buyer=billable.buyer,
        plan=billable.plan,
        cut=terms.cut,
        issued_at=terms.as_of,
        due_at=add_days(terms.as_of, terms.payment_days, parse_time_zone(billable.time_zone)),
        lines=tuple(lines),
        paid_for=billable.paid_for,
        sandbox=terms.sandbox,
        credit_before_minor=account.credit_minor,
        credit_after_minor=total - left,
    )


def _own_lines(
    invoice_id: InvoiceId,
    billable: Billable,
    section: Section,
    rated: Sequence[_Rated],
    account: Account,
) -> Iterator[InvoiceLine]:
    """Lines of an own period; of one that is billed in advance, what was not billed before."""
    lines: list[InvoiceLine] = []
    for line, each in zip(section.lines, rated, strict=True):
        item = _line(invoice_id, billable, 0, line, each, section)
        lines.append(item)
        if each.row["true_up_minor"]:
            lines.append(_true_up(invoice_id, billable, 0, item, each))
    if not section.rhythm.in_advance:
        return iter(lines)
    digits = billable.currency.minor_digits
    return settled(invoice_id, digits, account.of(section), lines)


def _lines(
    invoice_id: InvoiceId, billable: Billable, rated: Sequence[_Rated]
) -> Iterator[InvoiceLine]:
    """The items of an invoice: each line, and behind it what brings it up to its minimum.

    At the end what brings all of them up to the minimums of contracts: what is billed counts for
    one after the other.
    """
    position, billed = 0, 0
    for line, each in zip(billable.lines, rated, strict=True):
        item = _line(invoice_id, billable, position + 1, line, each)
        if line.minimum:
            least = item.amount_minor
            if billed < least:
                position += 1
                yield _up_to_minimum(invoice_id, billable, item, billed)
            billed = max(0, billed - least)
            continue
        position += 1
        yield item
        if each.row["true_up_minor"]:
            position += 1
            yield _true_up(invoice_id, billable, position, item, each)
        billed += item.amount_minor + each.row["true_up_minor"]


def _line(
    invoice_id: InvoiceId,
    billable: Billable,
    position: int,
    line: PlanLine,
    rated: _Rated,
    section: Section | None = None,
) -> InvoiceLine:
    row, span = rated.row, line.span_in((section or billable).period)
    return InvoiceLine(
        line_id=_line_id(invoice_id, billable, line, section),
        position=position,
        kind=_kind(line),
        true_up_of=None,
        line_key=line.key,
        description=line.description,
        meter_id=line.meter_id,
        price_id=UUID(line.price.price_id),
        price_version=line.price_version,
        price_hash=line.price.content_hash,
        price_model=line.price.model,
        price_parameters=line.price.parameters,
        price_adjustments=line.price.adjustments,
        service=span,
        share=Share(row["share_numerator"], row["share_denominator"]),
        used_quantity=row["used_quantity"],
        quantity=row["quantity"],
        unit_amount=row["unit_amount"],
        tiers=[step for step in rated.steps if step["step"] != "minimum"],
        amount_exact=exact_amount(row),
        amount_remainder=row["amount_remainder"],
        amount_minor=row["amount_minor"],
        event_count=row["event_count"],
        unmeterable_count=row["unmeterable_count"],
        usage_digest=row["usage_digest"] if line.meter_id is not None else None,
        rounding_mode=row["rounding_mode"],
        rule_version=row["rule_version"],
        contract_id=line.contract_id,
        phase=line.phase,
        in_advance=line.in_advance,
        every=str(line.every) if line.every else None,
    )


def _true_up(
    invoice_id: InvoiceId, billable: Billable, position: int, of: InvoiceLine, rated: _Rated
) -> InvoiceLine:
    """What the rounded line lacks of its minimum: exact in minor units, and never reduced later."""
    minor = rated.row["true_up_minor"]
    amount = Decimal(minor).scaleb(-billable.currency.minor_digits)
    return replace(
        of,
        line_id=derived_uuid(billable.period.end, "true up", str(invoice_id), str(of.line_id)),
        position=position,
        kind="true_up",
        true_up_of=of.line_id,
        description=f"{of.description}: up to the minimum",
        meter_id=None,
        used_quantity=_ONE,
        quantity=_ONE,
        unit_amount=amount,
        tiers=[step for step in rated.steps if step["step"] == "minimum"],
        amount_exact=amount,
        amount_remainder=0,
        amount_minor=minor,
        event_count=0,
        unmeterable_count=0,
        usage_digest=None,
    )


def _up_to_minimum(
    invoice_id: InvoiceId, billable: Billable, least: InvoiceLine, billed: int
) -> InvoiceLine:
    """What the other lines, which come to `billed`, lack of a contract's minimum.

    `least` is the minimum as a fee, by its share of the period.
    """
    start = str(epoch_micros(least.service.start))
    amounts = {"minimum": least.amount_minor, "billed": -billed}
    digits = billable.currency.minor_digits
    minor = least.amount_minor - billed
    amount = Decimal(minor).scaleb(-digits)
    return replace(
        least,
        line_id=derived_uuid(billable.period.end, MINIMUM_KEY, str(invoice_id), start),
        kind="true_up",
        used_quantity=_ONE,
        quantity=_ONE,
        unit_amount=amount,
        tiers=[
            {"step": step, "amount": plain(Decimal(each).scaleb(-digits))}
            for step, each in amounts.items()
            if each
        ],
        amount_exact=amount,
        amount_remainder=0,
        amount_minor=minor,
    )


def _kind(line: PlanLine) -> LineKind:
    if line.meter_id is not None:
        return "usage"
    if line.quantity is not None:
        return "agreed"
    return "percentage" if model_named(line.price.model).of_lines else "fee"


def _line_id(
    invoice_id: InvoiceId, billable: Billable, line: PlanLine, section: Section | None
) -> UUID:
    """Of the line's key, and, where it is not that of the period, of the start of its span."""
    if section is not None:
        own = own_name(section, line.span_in(section.period))
        return derived_uuid(billable.period.end, "line", str(invoice_id), line.key, *own)
    start = line.span_in(billable.period).start
    later = [] if start == billable.period.start else [str(epoch_micros(start))]
    return derived_uuid(billable.period.end, "line", str(invoice_id), line.key, *later)
