"""The events of what customers are given beside plans and of what they use, as in the outbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from db.event_types import At, EventType, Labels, Payload, types_of


class OverrideFacts(Payload):
    """What a customer is given of a feature in place of what its plans give."""

    id: str
    customer: str
    feature: str
    given: bool
    limit: str | None
    hard: bool
    reset: str | None
    value: str | None
    start: At
    end: At | None
    metadata: Labels


class GrantFacts(Payload):
    """So much more of a feature, once."""

    id: str
    customer: str
    feature: str
    quantity: str
    priority: int
    start: At
    end: At
    metadata: Labels


class _Window(Payload):
    start: At
    end: At


class UsageFacts(Payload):
    """A record of use."""

    id: str
    customer: str
    subscription: str
    subject: str
    feature: str
    quantity: str
    time: At
    window: _Window


class HoldFacts(Payload):
    """So much of a feature held ahead of use, and what became of it."""

    id: str
    customer: str
    feature: str
    quantity: str
    status: str
    held_at: At
    expires_at: At
    closed_at: At | None
    record: str | None
    metadata: Labels


EVENTS: Final[Mapping[str, EventType]] = {
    **types_of(
        OverrideFacts,
        "entitlement.override",
        {"created": "an override is written down", "ended": "it gets another end"},
    ),
    **types_of(
        GrantFacts,
        "entitlement.grant",
        {"created": "a grant is written down", "ended": "it gets another end"},
    ),
    **types_of(
        HoldFacts,
        "entitlement.hold",
        {
            "created": "a quantity is held",
            "committed": "it was used: a record of use takes its place",
            "released": "it is given back",
            "expired": "its time is over: told when somebody reserves of the feature next",
        },
    ),
    **types_of(UsageFacts, "usage", {"recorded": "use is written down, before its event is sent"}),
}
"""By subject."""
