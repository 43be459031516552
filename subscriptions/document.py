"""The set-up file: what a tenant measures, what it sells, and to whom.

For example:

    [tenant]
    slug = "acme"
    name = "Acme Cloud"

    [[meters]]
    slug = "context_tokens"
    name = "Context tokens"
    event_type = "llm.request"
    aggregation = "sum"
    value = "usage.context_tokens"        # a path into an event's data, or an expression
    dimensions = { model = "model" }      # usage is told apart by these
    unit = "tokens"

    [[plans]]
    slug = "standard"
    name = "Standard"
    currency = "USD"

    [[plans.rate_cards]]
    key = "platform"
    name = "Platform fee"
    price = { model = "flat", amount = "99.00" }

    [[plans.rate_cards]]
    key = "context_tokens"
    name = "Context tokens"
    meter = "context_tokens"
    price = { model = "per_unit", amount = "3.00", per = 1_000_000 }

    [[customers]]
    slug = "contoso"
    name = "Contoso"
    currency = "USD"
    time_zone = "Europe/Berlin"
    subjects = ["contoso-chat", { subject = "contoso-code", from = 2024-01-01 }]
    billing_info = { address = ["Allee 1", "10115 Berlin"], email = "billing@contoso.example" }

    [[customers]]
    slug = "contoso-labs"
    name = "Contoso Labs"
    currency = "USD"
    parent = "contoso"                    # a customer that is there, or stands above
    payer = "parent"                      # whose invoices its parent gets; invoices = "apart" there
    subjects = ["labs-chat"]

    [customers.billing_info]
    tax_ids = [{ type = "eu_vat", value = "DE123456789" }]
    postal_address = { line1 = "Allee 2", postal_code = "10115", city = "Berlin", country = "DE" }

    [[subscriptions]]
    slug = "contoso-standard"
    customer = "contoso"
    plan = "standard"
    anchor = 2023-11-01                   # midnight in the customer's time zone

A date or a time without offset is meant in the customer's time zone.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import pydantic
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from catalog.files.document import CatalogDocument
from catalog.plan_document import Text
from core.calendar.zones import instant_of
from core.refusals import refusal_of
from subscriptions.customers.facts import NewCustomer

_RULES: Final = ConfigDict(extra="forbid", strict=True, frozen=True)

WallTime = datetime | date


class SellerEntry(BaseModel):
    """The tenant on its invoices; `payment` says where money goes, line by line.

    Without a name, the tenant's is used.
    """

    model_config = _RULES
    name: Text | None = None
    address: list[str] = []
    email: str | None = None
    tax_id: str | None = None
    payment: list[str] = []


class InvoicingEntry(BaseModel):
    """How the tenant invoices."""

    model_config = _RULES
    seller: SellerEntry = SellerEntry()
    number_prefix: Annotated[str, Field(min_length=1, max_length=32)] = "INV-"
    payment_days: Annotated[int, Field(ge=0, le=365)] = 30


class TenantEntry(BaseModel):
    """Whose file it is."""

    model_config = _RULES
    slug: Text
    name: Text
    invoicing: InvoicingEntry | None = None


class SubjectEntry(BaseModel):
    """Whose usage the customer pays for: since ever and for ever, unless dated."""

    model_config = _RULES
    subject: Text
    valid_from: Annotated[WallTime | None, Field(alias="from")] = None
    valid_to: Annotated[WallTime | None, Field(alias="to")] = None


def _bare_subject(value: object) -> object:
    return {"subject": value} if isinstance(value, str) else value


class CustomerEntry(NewCustomer):
    """Who pays. What is left out of a later file stays: subjects, too, with their customer."""

    name: Text
    subjects: Annotated[
        list[Annotated[SubjectEntry, BeforeValidator(_bare_subject)]], Field(default_factory=list)
    ]


class SubscriptionEntry(BaseModel):
    """A customer's subscription to the newest version of a plan; it stays with that version.

    `currency` is one that the plan is sold in; missing: the customer's.
    """

    model_config = _RULES
    slug: Text
    customer: Text
    plan: Text
    anchor: WallTime
    billing_cycle: Text = "monthly"
    currency: Text | None = None


class SetUpDocument(CatalogDocument):
    """The whole file: a catalog, whose it is, and who buys."""

    tenant: TenantEntry
    customers: Annotated[list[CustomerEntry], Field(default_factory=list)]
    subscriptions: Annotated[list[SubscriptionEntry], Field(default_factory=list)]


def parse_document(document: dict[str, Any]) -> SetUpDocument:
    """Check the shape of a file that was read. Raises `ValidationError` naming path and fix."""
    try:
        return SetUpDocument.model_validate(document)
    except pydantic.ValidationError as error:
        raise refusal_of(error) from error


def instant(wall: WallTime, zone: ZoneInfo) -> datetime:
    """The instant, in UTC, that a date or time of the file means to a customer in `zone`."""
    at = wall if isinstance(wall, datetime) else datetime.combine(wall, time())
    return instant_of(at, zone) if at.tzinfo is None else at.astimezone(UTC)
