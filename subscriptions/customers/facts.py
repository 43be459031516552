"""What is told of a customer, in the set-up file, over HTTP and on the command line alike."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self, TypeVar

import pydantic
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from core.countries import COUNTRIES
from core.refusals import refusal_of

ADDRESS_LINES_MAX: Final = 10
LINE_CHARACTERS_MAX: Final = 200
EMAIL_CHARACTERS_MAX: Final = 254
TAX_IDS_MAX: Final = 10
TAX_ID_CHARACTERS_MAX: Final = 64

_RULES: Final = ConfigDict(extra="forbid", strict=True, frozen=True)
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
_TAX_TYPE: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")

Payer = Literal["self", "parent"]
"""Who gets a customer's invoices: it, or the customer above it."""

Billing = Literal["together", "apart"]
"""What who pays for others gets: one invoice with a group for each, or one invoice for each."""


def _printable(text: str) -> str:
    """`text`, if every character of it can stand on paper and in every database."""
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        raise ValueError("a control character or half of a surrogate pair cannot be printed")
    if text != text.strip():
        raise ValueError("there is a space at an end")
    return text


def _email(text: str) -> str:
    if not _EMAIL.fullmatch(text):
        raise ValueError("write it as name@host")
    return text


def _country(text: str) -> str:
    if text not in COUNTRIES:
        raise ValueError("write the two capitals of ISO 3166, such as DE")
    return text


def _tax_type(text: str) -> str:
    if not _TAX_TYPE.fullmatch(text):
        raise ValueError("give 1 to 32 of a-z, 0-9 and _, such as eu_vat")
    return text


Line = Annotated[
    str, Field(min_length=1, max_length=LINE_CHARACTERS_MAX), AfterValidator(_printable)
]
TaxNumber = Annotated[
    str, Field(min_length=1, max_length=TAX_ID_CHARACTERS_MAX), AfterValidator(_printable)
]
Email = Annotated[
    str,
    Field(max_length=EMAIL_CHARACTERS_MAX),
    AfterValidator(_printable),
    AfterValidator(_email),
]


class PostalAddress(BaseModel):
    """An address in parts; an invoice prints them as lines, from `line1` to `country`."""

    model_config = _RULES
    line1: Line | None = None
    line2: Line | None = None
    postal_code: Line | None = None
    city: Line | None = None
    region: Line | None = None
    country: Annotated[str, AfterValidator(_country)]


class TaxId(BaseModel):
    """A number that a tax office knows the customer by, such as `eu_vat` with `DE123456789`."""

    model_config = _RULES
    type: Annotated[str, AfterValidator(_tax_type)]
    value: TaxNumber


class BillingInfo(BaseModel):
    """What invoices say of the buyer. Without a name, the customer's is used."""

    model_config = _RULES
    name: Line | None = None
    email: Email | None = None
    address: Annotated[list[Line], Field(max_length=ADDRESS_LINES_MAX)] = []
    postal_address: PostalAddress | None = None
    tax_id: TaxNumber | None = None
    tax_ids: Annotated[list[TaxId], Field(max_length=TAX_IDS_MAX)] = []

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if self.address and self.postal_address:
            raise ValueError("address: give its lines, or postal_address with its parts, not both")
        if self.tax_id and self.tax_ids:
            raise ValueError("tax_id: give it, or tax_ids, not both")
        if len({(each.type, each.value) for each in self.tax_ids}) < len(self.tax_ids):
            raise ValueError("tax_ids: one is there twice")
        return self

    def as_document(self) -> dict[str, Any]:
        """The form that is stored and shown: what was left out is not there."""
        return self.model_dump(exclude_none=True, exclude_defaults=True)


class CustomerFacts(BaseModel):
    """What may change about a customer; what is left out stays.

    `parent` and `user_id` go away with null.
    """

    model_config = _RULES
    name: str | None = None
    time_zone: str | None = None
    currency: str | None = None
    billing_info: BillingInfo | None = None
    parent: str | None = None
    payer: Payer | None = None
    invoices: Billing | None = None
    user_id: str | None = None
    metadata: dict[str, str] | None = None


class NewCustomer(CustomerFacts):
    """A customer that is made, or made so; its name is the slug, its time zone UTC unless told."""

    slug: str
    currency: str


_Facts = TypeVar("_Facts", bound=CustomerFacts)


def facts_of(kind: type[_Facts], document: Mapping[str, Any]) -> _Facts:
    """Read facts out of a document. Raises `ValidationError` naming path and fix."""
    try:
        return kind.model_validate(dict(document))
    except pydantic.ValidationError as error:
        raise refusal_of(error) from error
