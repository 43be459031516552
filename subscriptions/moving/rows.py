"""What a row says: a customer, a subject, a subscription; from cells or from a JSON object."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar
from zoneinfo import ZoneInfo

import pydantic
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from core.calendar.zones import instant_of
from core.errors import ValidationError
from core.instants import check_instant
from core.refusals import refusal_of
from subscriptions.commands.bodies import Quantities
from subscriptions.customers.facts import NewCustomer
from subscriptions.moving.tables import FREE

_RULES: Final = ConfigDict(extra="forbid", frozen=True)
_ADDRESS: Final = ("line1", "line2", "postal_code", "city", "region", "country")
_PAIRS: Final = ("quantities", "addons")
_Model = TypeVar("_Model", bound=BaseModel)
_TRUTHS: Final = {"true": True, "false": False}


def _moment(text: object) -> object:
    with suppress(ValueError):
        return datetime.fromisoformat(text if isinstance(text, str) else "")
    raise ValueError('write a date or a time, such as "2026-03-01" or "2026-03-01T12:00Z"')


def _bounded(at: datetime) -> datetime:
    if not 1970 <= at.year < 2200:  # noqa: PLR2004 - as core.instants says it
        raise ValueError("give an instant from 1970 to 2199")
    return at


Moment = Annotated[datetime, BeforeValidator(_moment), AfterValidator(_bounded)]
"""A date, or a time; without an offset it is meant in the customer's time zone."""


def instant(at: datetime, zone: ZoneInfo, field: str) -> datetime:
    """The instant that a moment means to a customer in `zone`. Raises `ValidationError`."""
    return check_instant(instant_of(at, zone) if at.tzinfo is None else at, field)


class SubjectRow(BaseModel):
    """Whose usage a customer pays for: since ever and for ever, unless dated."""

    model_config = _RULES
    customer: str
    subject: str
    valid_from: Annotated[Moment | None, Field(alias="from")] = None
    valid_to: Annotated[Moment | None, Field(alias="to")] = None


class SubscriptionRow(BaseModel):
    """A subscription as it runs elsewhere.

    Periods step from the `anchor` (missing: the `start`); `current_period_start`, if told, must be
    one of their boundaries. What lies before `billed_through` is never billed here, nor is a line
    in advance for own periods that begin before `advance_billed_until`. `paused_since` and
    `cancel_at`, or `cancel_at_period_end`, say what was done to it.
    """

    model_config = _RULES
    slug: str
    customer: str
    plan: str
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    billing_cycle: str = "monthly"
    start: Moment
    anchor: Moment | None = None
    current_period_start: Moment | None = None
    billed_through: Moment | None = None
    advance_billed_until: Moment | None = None
    cut_period: bool = False
    trial_ends_at: Moment | None = None
    trial_converts: bool = True
    expires_at: Moment | None = None
    quantities: Quantities = {}
    addons: Quantities = {}
    subjects: list[str] | None = None
    paused_since: Moment | None = None
    paused_until: Moment | None = None
    cancel_at_period_end: bool = False
    cancel_at: Moment | None = None
    metadata: dict[str, str] = {}


CUSTOMER_COLUMNS: Final = (
    "slug", "name", "currency", "time_zone", "parent", "payer", "user_id", "email", *_ADDRESS,
    "tax_ids",
)  # fmt: skip
SUBJECT_COLUMNS: Final = ("customer", "subject", "from", "to")
SUBSCRIPTION_COLUMNS: Final = tuple(
    name for name in SubscriptionRow.model_fields if name != "metadata"
)


def customer_of(fields: Mapping[str, Any], *, is_csv: bool) -> NewCustomer:
    """A customer. Raises `ValidationError` naming field and fix."""
    return _read(NewCustomer, _customer_document(fields) if is_csv else fields)


def subject_of(fields: Mapping[str, Any], *, is_csv: bool) -> SubjectRow:
    """A subject's link; its cells are its fields. Raises as `customer_of`."""
    del is_csv
    return _read(SubjectRow, fields)


def subscription_of(fields: Mapping[str, Any], *, is_csv: bool) -> SubscriptionRow:
    """A subscription. Raises as `customer_of`."""
    return _read(SubscriptionRow, _subscription_document(fields) if is_csv else fields)


def _read(kind: type[_Model], document: Mapping[str, Any]) -> _Model:
    try:
        return kind.model_validate(dict(document))
    except pydantic.ValidationError as error:
        raise refusal_of(error) from error


def _customer_document(cells: Mapping[str, str]) -> dict[str, Any]:
    said = _with_metadata(cells)
    address = {name: said.pop(name) for name in _ADDRESS if name in said}
    info: dict[str, Any] = {"postal_address": address} if address else {}
    if "email" in said:
        info["email"] = said.pop("email")
    if "tax_ids" in said:
        pairs = _pairs("tax_ids", said.pop("tax_ids"), "eu_vat=DE123456789; …")
        info["tax_ids"] = [{"type": kind, "value": value} for kind, value in pairs]
    return said | ({"billing_info": info} if info else {})


def _subscription_document(cells: Mapping[str, str]) -> dict[str, Any]:
    said = _with_metadata(cells)
    for name in _PAIRS:
        if name in said:
            pairs = _pairs(name, said[name], "seats=5; support=1")
            if len(dict(pairs)) < len(pairs):
                raise ValidationError(f"{name}: one is there twice", field=name)
            said[name] = dict(pairs)
    if "subjects" in said:
        said["subjects"] = [each.strip() for each in said["subjects"].split(";") if each.strip()]
    for name, field in SubscriptionRow.model_fields.items():
        if field.annotation is bool and name in said:
            if said[name] not in _TRUTHS:
                raise ValidationError(f"{name}: {said[name]!r} is not true or false", field=name)
            said[name] = _TRUTHS[said[name]]
    return said


def _with_metadata(cells: Mapping[str, str]) -> dict[str, Any]:
    said: dict[str, Any] = {name: cell for name, cell in cells.items() if not name.startswith(FREE)}
    free = {name.removeprefix(FREE): cell for name, cell in cells.items() if name.startswith(FREE)}
    return said | ({"metadata": free} if free else {})


def _pairs(name: str, text: str, example: str) -> list[tuple[str, str]]:
    found = []
    for part in text.split(";"):
        key, equals, value = (each.strip() for each in part.partition("="))
        if not (key and equals and value):
            raise ValidationError(f"{name}: {part!r} is no pair; write {example}", field=name)
        found.append((key, value))
    return found
