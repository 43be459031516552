"""How a billing run works, and what a tenant has said about its invoices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.errors import ValidationError
from invoicing.errors import PartyIncompleteError

BLOCK_CUSTOMERS: Final = 1_000
"""Customers whose drafts share one transaction, unless a run asks for another number."""

DEFAULT_PREFIX: Final = "INV-"
DEFAULT_PAYMENT_DAYS: Final = 30
_PAYMENT_DAYS_MAX: Final = 365
_PREFIX_LENGTH_MAX: Final = 32


@dataclass(frozen=True, slots=True)
class TenantTerms:
    """Who sends the invoices, what their numbers start with, when they are due."""

    seller: Mapping[str, Any]
    prefix: str
    payment_days: int


def tenant_terms(name: str, metadata: Mapping[str, Any]) -> TenantTerms:
    """Read `metadata["invoicing"]` of a tenant called `name`.

    Keys, all optional: `seller` (name, address as a list of lines, email, tax_id, payment as a list
    of lines), `number_prefix` (default "INV-"), `payment_days` (default 30).
    Raises `ValidationError` or `PartyIncompleteError` naming the key.
    """
    given = metadata.get("invoicing", {})
    if not isinstance(given, Mapping):
        raise ValidationError("invoicing: expected a table", field="invoicing")
    seller = party(given.get("seller", {}), "invoicing.seller", default_name=name)
    prefix = given.get("number_prefix", DEFAULT_PREFIX)
    if not isinstance(prefix, str) or not 0 < len(prefix) <= _PREFIX_LENGTH_MAX:
        raise ValidationError(
            f"invoicing.number_prefix: 1 to {_PREFIX_LENGTH_MAX} characters, not {prefix!r}"
        )
    days = given.get("payment_days", DEFAULT_PAYMENT_DAYS)
    if not isinstance(days, int) or not 0 <= days <= _PAYMENT_DAYS_MAX:
        raise ValidationError(
            f"invoicing.payment_days: expected 0 to {_PAYMENT_DAYS_MAX} days, got {days!r}"
        )
    payment = _text_lines(given.get("seller", {}).get("payment", []), "invoicing.seller.payment")
    return TenantTerms({**seller, "payment": payment}, prefix, days)


def party(given: Mapping[str, Any], field: str, default_name: str) -> dict[str, Any]:
    """The canonical form of a seller or a buyer: name, address, email, tax_id.

    Without a name of its own it is called `default_name`.

    Raises `PartyIncompleteError` without a name, `ValidationError` for a malformed part.
    """
    name = given.get("name") or default_name
    if not isinstance(name, str) or not name.strip():
        raise PartyIncompleteError(f"{field}.name: missing; an invoice names both its parties")
    return {
        "name": name,
        "address": _text_lines(given.get("address", []), f"{field}.address"),
        "email": _text(given.get("email"), f"{field}.email"),
        "tax_id": _text(given.get("tax_id"), f"{field}.tax_id"),
    }


def _text(value: Any, field: str) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    raise ValidationError(f"{field}: expected text, got {value!r}", field=field)


def _text_lines(value: Any, field: str) -> list[str]:
    if isinstance(value, str):
        return value.splitlines()
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return list(value)
    raise ValidationError(f"{field}: expected a list of lines, got {value!r}", field=field)
