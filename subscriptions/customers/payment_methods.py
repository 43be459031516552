"""What a customer pays with: names that payment providers know it by, one of them tried first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import sql
from core.clock import Clock
from core.errors import BusinessLogicError, ConflictError, NotFoundError, ValidationError
from core.ids import format_id, new_uuid, parse_id
from core.texts import check_text
from db.outbox import Change, append
from db.postgres import Connection
from subscriptions.customers.customer import Customer

PAYMENT_METHODS_MAX: Final = 20
REFERENCE_CHARACTERS_MAX: Final = 200
_PROVIDER: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_REFERENCE: Final = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class PaymentMethod:
    """A payment method; `reference` is the provider's own name for it, never a card's number."""

    id: UUID
    provider: str
    reference: str
    is_default: bool

    def as_resource(self) -> dict[str, Any]:
        """The form that is shown outside."""
        return {
            "id": format_id("pym", self.id),
            "provider": self.provider,
            "reference": self.reference,
            "default": self.is_default,
        }


def payment_methods_of(conn: Connection, customer: Customer) -> list[PaymentMethod]:
    """What the customer pays with, the oldest first."""
    rows = conn.execute(
        sql.load("postgres/queries/select_payment_methods"),
        {"tenant_id": customer.tenant_id, "customer_id": customer.id},
    )
    return [PaymentMethod(**row) for row in rows]


def add_payment_method(
    conn: Connection,
    clock: Clock,
    customer: Customer,
    provider: str,
    reference: str,
    *,
    default: bool = False,
) -> PaymentMethod:
    """Add what the customer pays with; the first one is the default, whatever `default` says.

    The customer must be locked. Raises `ValidationError`, `ConflictError` for one that is there
    already, `BusinessLogicError` for too many.
    """
    if not _PROVIDER.fullmatch(provider):
        raise ValidationError(
            "provider: give 1 to 32 of a-z, 0-9 and _, such as stripe", field="provider"
        )
    text = check_text(reference, "reference")
    if not _REFERENCE.fullmatch(text) or len(text) > REFERENCE_CHARACTERS_MAX:
        raise ValidationError(
            f"reference: give 1 to {REFERENCE_CHARACTERS_MAX} printable ASCII characters without"
            " spaces",
            field="reference",
        )
    known = payment_methods_of(conn, customer)
    if any((each.provider, each.reference) == (provider, reference) for each in known):
        raise ConflictError(
            f"reference: customer {customer.slug!r} has {reference!r} of {provider} already",
            field="reference",
        )
    if len(known) >= PAYMENT_METHODS_MAX:
        raise BusinessLogicError(
            f"customer: {customer.slug!r} has {len(known)} payment methods, at most"
            f" {PAYMENT_METHODS_MAX} are possible; remove one",
            field="customer",
        )
    made = PaymentMethod(new_uuid(clock), provider, reference, is_default=False)
    conn.execute(
        sql.load("postgres/queries/insert_payment_method"),
        {
            "id": made.id,
            "tenant_id": customer.tenant_id,
            "customer_id": customer.id,
            "provider": provider,
            "reference": reference,
            "now": clock.now(),
        },
    )
    if default or not known:
        _prefer(conn, clock, customer, known, made.id)
    return _told(conn, clock, customer, made.id, "added")


def prefer_payment_method(
    conn: Connection, clock: Clock, customer: Customer, method: str
) -> PaymentMethod:
    """Make a payment method (`pym_…`) the default. Again changes nothing.

    The customer must be locked. Raises `NotFoundError`.
    """
    known = payment_methods_of(conn, customer)
    found = _find(known, customer, method)
    if found.is_default:
        return found
    _prefer(conn, clock, customer, known, found.id)
    return _told(conn, clock, customer, found.id, "preferred")


def remove_payment_method(
    conn: Connection, clock: Clock, customer: Customer, method: str
) -> PaymentMethod:
    """Take a payment method away, as it was; if it was the default, there is none from now on.

    The customer must be locked. Raises `NotFoundError`.
    """
    found = _find(payment_methods_of(conn, customer), customer, method)
    _remove(conn, clock, customer, [found])
    return found


def remove_all_payment_methods(conn: Connection, clock: Clock, customer: Customer) -> None:
    """Take away whatever the customer pays with. The customer must be locked."""
    _remove(conn, clock, customer, payment_methods_of(conn, customer))


def _find(known: Sequence[PaymentMethod], customer: Customer, method: str) -> PaymentMethod:
    wanted = parse_id("pym", method, "payment_method")
    for each in known:
        if each.id == wanted:
            return each
    raise NotFoundError(
        f"payment_method: customer {customer.slug!r} has none called {method!r}",
        payment_method=method,
    )


def _prefer(
    conn: Connection,
    clock: Clock,
    customer: Customer,
    known: Sequence[PaymentMethod],
    wanted: UUID,
) -> None:
    for each in [each.id for each in known if each.is_default] + [wanted]:
        conn.execute(
            sql.load("postgres/queries/mark_payment_method"),
            {
                "tenant_id": customer.tenant_id,
                "id": each,
                "is_default": each == wanted,
                "now": clock.now(),
            },
        )


def _remove(
    conn: Connection, clock: Clock, customer: Customer, gone: Sequence[PaymentMethod]
) -> None:
    conn.execute(
        sql.load("postgres/queries/remove_payment_methods"),
        {
            "tenant_id": customer.tenant_id,
            "ids": [each.id for each in gone],
            "now": clock.now(),
        },
    )
    for each in gone:
        _tell(conn, clock, customer, each, "removed")


def _told(
    conn: Connection, clock: Clock, customer: Customer, method_id: UUID, what: str
) -> PaymentMethod:
    """The payment method as it is now, after it was written down what became of it."""
    [found] = [each for each in payment_methods_of(conn, customer) if each.id == method_id]
    _tell(conn, clock, customer, found, what)
    return found


def _tell(
    conn: Connection, clock: Clock, customer: Customer, method: PaymentMethod, what: str
) -> None:
    owner = format_id("cus", customer.id)
    told = {"customer": owner} | method.as_resource()
    append(conn, clock, customer.tenant_id, Change(f"customer.payment_method.{what}", owner, told))
