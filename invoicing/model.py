"""What the billing run works on: what is to be billed, under which terms, and the invoice made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

from core.calendar.intervals import Interval
from core.ids import ContractId, CustomerId, InvoiceId, MeterId, SubscriptionId, TenantId
from core.money import Currency
from core.period import Period
from rating.prices import Price
from rating.proration import Share
from usage.cut import Cut

InvoiceStatus = Literal["draft", "part", "handed_over", "open", "paid", "void", "uncollectible"]
"""A part is a group of another invoice; what was handed over is one of another tenant's."""

WHOLE: Final = Share(1, 1)
"""The share of a line that is for all of its period."""

PERIOD_KIND: Final = "period"
"""The kind of an invoice for a period that has ended."""

TOGETHER_KIND: Final = "together"
"""The kind of an invoice whose groups are for several such periods, of whoever it pays for."""

OPENING_KIND: Final = "opening"
"""The kind of an invoice for what is due in advance where a subscription begins."""

MINIMUM_KEY: Final = "minimum"
"""The key of lines that bring a period up to a contract's minimum."""


class Rhythm(NamedTuple):
    """When a line is billed: at the start of its own periods or at their end, and how often."""

    in_advance: bool = False
    every: Interval | None = None


OF_THE_PERIOD: Final = Rhythm()
"""At the end of each period of the subscription."""


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One rate card as it is billed: what it is called, what it measures, what it costs."""

    key: str
    description: str
    meter_id: MeterId | None
    price: Price
    price_version: int
    quantity: Decimal | None = None
    """How many units are agreed: then there is no meter."""
    span: Period | None = None
    """The part of the due period that the line is billed for; None: all of it."""
    era: datetime | None = None
    """Percentages of lines are of those of one era; None: the one that begins with the period."""

    contract_id: ContractId | None = None
    """Whose price it is, where it is not the plan's."""
    phase: str | None = None
    """In which the plan has this price; None: it is the one of the plan, or of a contract."""
    minimum: bool = False
    """What the period comes to at least: behind all other lines, and reduced by them."""
    in_advance: bool = False
    every: Interval | None = None
    """How often it is billed; None: in each period of the subscription."""

    @property
    def rhythm(self) -> Rhythm:
        """When it is billed."""
        return Rhythm(self.in_advance, self.every)

    def span_in(self, period: Period) -> Period:
        """The span of the line in a due period."""
        return period if self.span is None else self.span


@dataclass(frozen=True, slots=True)
class PaidFor:
    """The customer whose subscription it is, where another one pays."""

    customer_id: CustomerId
    name: str


@dataclass(frozen=True, slots=True)
class Section:
    """Lines that have an own period: `whole`, of which `period` is billed."""

    rhythm: Rhythm
    whole: Period
    period: Period
    lines: tuple[PlanLine, ...]

    @property
    def priced_period(self) -> Period:
        """The period that shares are taken of."""
        return self.whole


@dataclass(frozen=True, slots=True)
class Billable:
    """One due period of one subscription with everything its invoice says."""

    customer_id: CustomerId
    """Who pays."""
    subscription_id: SubscriptionId
    plan_version_id: UUID
    period: Period
    time_zone: str
    currency: Currency
    buyer: Mapping[str, Any]
    """Canonical: id, name, address (list of lines), email and tax_id (text or null)."""
    plan: Mapping[str, Any]
    """Canonical: name, version."""
    lines: tuple[PlanLine, ...]
    """Several of one key have spans that do not overlap."""
    whole: Period | None = None
    """What the prices are for, where the period began late, or was cut."""
    paid_for: PaidFor | None = None
    opening: bool = False
    """Of the period, only what is due in advance where the subscription begins."""
    sections: tuple[Section, ...] = ()

    @property
    def at(self) -> datetime:
        """When it is due."""
        return self.period.start if self.opening else self.period.end

    @property
    def parts(self) -> tuple[Billable | Section, ...]:
        """Itself, whose lines are of the period, and then the lines that are of others."""
        return (self, *self.sections)

    @property
    def priced_period(self) -> Period:
        """The period that shares are taken of."""
        return self.whole or self.period


@dataclass(frozen=True, slots=True)
class RunTerms:
    """What every invoice of a run shares."""

    tenant_id: TenantId
    as_of: datetime
    """The date of issue; fixed when the run starts."""
    cut: Cut
    seller: Mapping[str, Any]
    """Canonical: as a buyer without id, and payment (list of lines)."""
    payment_days: int
    """Days from issue to due date, in the customer's time zone."""
    sandbox: bool = False
    """Whether nobody is to pay what is billed: the invoices say so."""


LineKind = Literal["usage", "agreed", "fee", "percentage", "true_up", "settlement"]
"""From usage, an agreed quantity, a fee of the period, a percentage of lines; up to a minimum.

A settlement takes back what was billed in advance."""


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One line item and what it was rated from.

    The exact amount is `amount_exact`, toward zero, and `amount_remainder` over 10^36 times the
    denominator of the share.
    """

    line_id: UUID
    position: int
    kind: LineKind
    true_up_of: UUID | None
    """The line that it brings up to its minimum; None where that is a contract's, of all lines."""
    line_key: str
    description: str
    meter_id: MeterId | None
    price_id: UUID
    price_version: int
    price_hash: str
    price_model: str
    price_parameters: Mapping[str, Any]
    price_adjustments: Mapping[str, Any]
    service: Period
    """The time that the line is for."""
    share: Share
    """Which share of the invoice's period that is."""
    used_quantity: Decimal
    """Before conversion and free units."""
    quantity: Decimal
    unit_amount: Decimal | None
    """None where the amount is not its product with the quantity."""
    tiers: Sequence[Mapping[str, Any]]
    """Where there is no such product, or something around the price: the steps to the amount."""
    amount_exact: Decimal
    amount_remainder: int
    amount_minor: int
    event_count: int
    unmeterable_count: int
    usage_digest: str | None
    rounding_mode: str
    rule_version: int
    contract_id: ContractId | None = None
    """Whose price or minimum it has, where that is not the plan's."""
    phase: str | None = None
    """The phase of the plan that it has its price from."""
    in_advance: bool = False
    """Billed before its time is over, or the settlement of such a line."""
    every: str | None = None
    """How often it is billed, where it has periods of its own."""
    settles: UUID | None = None
    """The line, billed in advance, that it takes back."""


@dataclass(frozen=True, slots=True)
class ReceivedGroup:
    """What another tenant of the same owner drafted for a customer that this one invoices."""

    member_tenant_id: TenantId
    draft_id: InvoiceId
    """As the other tenant knows it."""
    customer_id: CustomerId
    """Who pays, as this tenant knows it."""
    currency: Currency
    total_minor: int
    document: Mapping[str, Any]
    """As it stands among the groups of the invoice."""
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice: a draft while it has no number, fixed as soon as it has one.

    One with groups has no lines of its own; its period spans theirs, in the payer's zone.
    """

    invoice_id: InvoiceId
    tenant_id: TenantId
    customer_id: CustomerId
    subscription_id: SubscriptionId | None
    """None, as is the plan's version: it has groups."""
    plan_version_id: UUID | None
    kind: str
    status: InvoiceStatus
    number: str | None
    period: Period
    time_zone: str
    currency: Currency
    subtotal_minor: int
    total_minor: int
    amount_due_minor: int
    seller: Mapping[str, Any]
    buyer: Mapping[str, Any]
    plan: Mapping[str, Any]
    cut: Cut
    issued_at: datetime
    due_at: datetime
    lines: tuple[InvoiceLine, ...]
    paid_for: PaidFor | None = None
    sandbox: bool = False
    """Made in a sandbox: it is no invoice, and says so."""
    groups: tuple[Invoice, ...] = ()
    received: tuple[ReceivedGroup, ...] = ()
    """Groups that other tenants handed over."""
    part_of: InvoiceId | None = None
    credit_before_minor: int = 0
    """What the subscription's invoice before left of credits: taken off."""
    credit_after_minor: int = 0
    """What this one leaves: no total is negative."""
