"""The events of invoices, as they stand in the outbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydantic import Field

from db.event_types import At, EventType, Money, Payload, types_of


class InvoiceFacts(Payload):
    """What was billed, to whom."""

    id: str
    number: str
    customer: str
    subscription: str = Field(default="", description="Missing where it has groups.")
    groups: list[str] = Field(
        default=[],
        description="The drafts that it is made of; missing where it has a subscription.",
    )
    total: Money
    used_by: str = Field(
        default="", alias="for", description="Who used it; missing where that is who pays."
    )


class CreditFacts(Payload):
    """What is left of credits of a subscription that is over."""

    subscription: str
    ended_at: At
    credit: Money


class HandOverFacts(Payload):
    """A draft that another tenant, `to`, invoices."""

    id: str
    customer: str
    to: str
    total: Money


class TakeOverFacts(Payload):
    """A draft that another tenant invoiced, and the number of the invoice there."""

    id: str
    number: str


class PayerFacts(Payload):
    """A customer that another tenant invoices, or invoices others for."""

    customer: str
    tenant: str


EVENTS: Final[Mapping[str, EventType]] = {
    **types_of(InvoiceFacts, "invoice", {"finalised": "an invoice gets its number"}),
    **types_of(
        CreditFacts,
        "subscription.credit",
        {"owed": "a subscription is over, and a credit is left that is owed to the customer"},
    ),
    **types_of(
        HandOverFacts, "invoice", {"handed_over": "a draft is for another tenant to invoice"}
    ),
    **types_of(TakeOverFacts, "invoice", {"taken_over": "another tenant has invoiced a draft"}),
    **types_of(
        PayerFacts,
        "customer.payer",
        {
            "offered": "a tenant offers a customer to another one to invoice",
            "taken": "the other one takes it",
            "accepted": "that has arrived at the first",
            "ended": "one of them ends it",
        },
    ),
}
"""By subject."""
