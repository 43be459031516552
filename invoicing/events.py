"""The events of invoices, as they stand in the outbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydantic import Field

from db.event_types import EventType, Money, Payload, types_of


class InvoiceFacts(Payload):
    """What was billed, to whom."""

    id: str
    number: str
    customer: str
    subscription: str
    total: Money
    used_by: str = Field(
        default="", alias="for", description="Who used it; missing where that is who pays."
    )


EVENTS: Final[Mapping[str, EventType]] = types_of(
    InvoiceFacts, "invoice", {"finalised": "an invoice gets its number"}
)
"""By subject."""
