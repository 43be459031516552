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
    value = "usage.context_tokens"        # the path into an event's data

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

    [[subscriptions]]
    slug = "contoso-standard"
    customer = "contoso"
    plan = "standard"
    anchor = 2023-11-01                   # midnight in the customer's time zone

A date or a time without offset is meant in the customer's time zone.
"""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

import pydantic
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from core.errors import ValidationError

_RULES: Final = ConfigDict(extra="forbid", strict=True, frozen=True)

Text = Annotated[str, Field(min_length=1, max_length=256)]
WallTime = datetime | date


class PartyEntry(BaseModel):
    """Who sends or receives invoices. Without a name, the name beside it is used."""

    model_config = _RULES
    name: Text | None = None
    address: list[str] = []
    email: str | None = None
    tax_id: str | None = None


class SellerEntry(PartyEntry):
    """The tenant on its invoices; `payment` says where money goes, line by line."""

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


class MeterEntry(BaseModel):
    """A meter; final once applied."""

    model_config = _RULES
    slug: Text
    name: Text
    event_type: Text
    aggregation: Literal["count", "sum"]
    value: Text | None = None


class RateCardEntry(BaseModel):
    """A line of a plan. `price` has `model`, maybe `rounding`, and the model's parameters."""

    model_config = _RULES
    key: Text
    name: Text
    meter: Text | None = None
    price: dict[str, str | int]


class PlanEntry(BaseModel):
    """A plan; changed lines make its next version."""

    model_config = _RULES
    slug: Text
    name: Text
    currency: Text
    rate_cards: Annotated[list[RateCardEntry], Field(min_length=1)]
    limits: dict[str, Any] = {}


class SubjectEntry(BaseModel):
    """Whose usage the customer pays for: since ever and for ever, unless dated."""

    model_config = _RULES
    subject: Text
    valid_from: Annotated[WallTime | None, Field(alias="from")] = None
    valid_to: Annotated[WallTime | None, Field(alias="to")] = None


def _bare_subject(value: object) -> object:
    return {"subject": value} if isinstance(value, str) else value


class CustomerEntry(BaseModel):
    """Who pays. Subjects left out of a later file stay with their customer."""

    model_config = _RULES
    slug: Text
    name: Text
    currency: Text
    time_zone: Text = "UTC"
    subjects: list[Annotated[SubjectEntry, BeforeValidator(_bare_subject)]] = []
    billing_info: PartyEntry = PartyEntry()


class SubscriptionEntry(BaseModel):
    """A customer's subscription to the newest version of a plan; it stays with that version."""

    model_config = _RULES
    slug: Text
    customer: Text
    plan: Text
    anchor: WallTime
    billing_cycle: Literal["monthly"] = "monthly"


class SetUpDocument(BaseModel):
    """The whole file."""

    model_config = _RULES
    tenant: TenantEntry
    meters: list[MeterEntry] = []
    plans: list[PlanEntry] = []
    customers: list[CustomerEntry] = []
    subscriptions: list[SubscriptionEntry] = []


def parse_document(document: dict[str, Any]) -> SetUpDocument:
    """Check the shape of a file that was read. Raises `ValidationError` naming path and fix."""
    try:
        return SetUpDocument.model_validate(document)
    except pydantic.ValidationError as error:
        problems = error.errors(include_url=False)
        first = problems[0]
        path = _path(first["loc"])
        others = {_path(problem["loc"]) for problem in problems} - {path}
        more = f" (and {len(others)} more)" if others else ""
        raise ValidationError(f"{path}: {_problem(first)}{more}", field=path) from error


def instant(wall: WallTime, zone: ZoneInfo) -> datetime:
    """The instant that a date or time of the file means to a customer in `zone`."""
    at = wall if isinstance(wall, datetime) else datetime.combine(wall, time())
    return at if at.tzinfo is not None else at.replace(tzinfo=zone)


def _path(location: tuple[int | str, ...]) -> str:
    """`("customers", 1, "subjects", 0)` → `customers[1].subjects[0]`, without names of types."""
    steps = (
        f"[{step}]" if isinstance(step, int) else f".{step}"
        for step in location
        if step not in {"date", "datetime", "str", "int"}
    )
    return "".join(steps).lstrip(".")


def _problem(error: Any) -> str:
    if error["type"] == "missing":
        return "missing; add it"
    if error["type"] == "extra_forbidden":
        return "there is no such field; check its spelling"
    if error["type"] in {"string_type", "int_type"} and isinstance(error["input"], float):
        return f'write the number in quotes, "{error["input"]}", so that it stays exact'
    return f"{error['msg'][:1].lower()}{error['msg'][1:]}, got {error['input']!r}"
