"""The events of customers, their subscriptions and contracts, as they stand in the outbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from db.event_types import At, EventType, Labels, Money, Payload, types_of
from subscriptions.life.lifecycle import Status


class CustomerFacts(Payload):
    """A customer; `parent` is the id of the one above it."""

    id: str
    slug: str
    name: str
    time_zone: str
    currency: str
    billing_info: dict[str, Any]
    parent: str | None
    payer: Literal["self", "parent"]
    invoices: Literal["together", "apart"]
    user_id: str | None
    metadata: Labels
    revision: int
    deleted_at: At | None


class SubjectFacts(Payload):
    """Whose usage a customer pays for in `[valid_from, valid_to)`."""

    customer: str
    subject: str
    valid_from: At
    valid_to: At | None


class MethodFacts(Payload):
    """What a customer pays with: what the provider calls it."""

    customer: str
    id: str
    provider: str
    reference: str
    default: bool


class _Terms(Payload):
    start: At
    end: At | None
    plan_version_id: str
    quantities: dict[str, str]
    addons: dict[str, str]
    trial: bool
    phase: str | None


class _Pause(Payload):
    start: At
    end: At | None
    billing: bool
    service: bool


class SubscriptionFacts(Payload):
    """How a subscription stands, and what is planned for it."""

    id: str
    slug: str
    customer: str
    customer_id: str
    plan: str
    plan_version: int
    plan_version_id: str
    status: Status
    context_state: Literal["created", "trial", "active", "canceled"]
    activation: Literal["start", "payment"]
    currency: str
    time_zone: str
    billing_cycle: str
    anchor: At
    start: At
    trial_ends_at: At | None
    trial_converts: bool
    cancel_at: At | None
    expires_at: At | None
    ended_at: At | None
    failed_payments: int
    retry_at: At | None
    grace_ends_at: At | None
    quantities: dict[str, str]
    addons: dict[str, str]
    subjects: list[str] | None
    terms: list[_Terms]
    pause: _Pause | None
    period_start: At
    period_end: At
    billed_until: At | None
    advance_billed_until: At | None
    opened_at: At | None
    credit: Money
    revision: int
    metadata: Labels


class StatusFacts(Payload):
    """From which state to which one, when, and what led there."""

    subscription: str
    old_status: Status
    new_status: Status
    at: At
    because: str


class _AgreedPrice(Payload):
    key: str
    plan: str | None
    start: At
    end: At | None
    price: dict[str, Any]


class ContractFacts(Payload):
    """What was agreed with a customer."""

    id: str
    slug: str
    name: str
    customer: str
    customer_id: str
    subscription: str | None
    start: At
    end: At | None
    ended_at: At | None
    expires: bool
    minimum: Money | None
    prices: list[_AgreedPrice]
    metadata: Labels


EVENTS: Final[Mapping[str, EventType]] = {
    **types_of(
        CustomerFacts,
        "customer",
        {
            "created": "a customer is made",
            "updated": "something about it changes",
            "deleted": "nothing can be sold to it any more",
        },
    ),
    **types_of(
        SubjectFacts,
        "customer.subject",
        {
            "linked": "a customer pays for a subject's usage",
            "unlinked": "it does so no longer, or not as it was known",
        },
    ),
    **types_of(
        MethodFacts,
        "customer.payment_method",
        {
            "added": "a customer has something to pay with",
            "preferred": "it is tried first",
            "removed": "it is gone",
        },
    ),
    **types_of(
        SubscriptionFacts,
        "subscription",
        {
            "created": "a customer subscribes",
            "activate": "billing begins, by command or by itself",
            "begin_terms": "a planned change of plan or quantities comes",
            "cancel": "it is canceled, or is going to be",
            "change": "plan, quantities or add-ons change, or are going to",
            "end_grace": "nobody paid in its grace period",
            "expire": "its term is over",
            "extend": "its term gets another end",
            "pause": "billing or service stops, or is going to",
            "payment": "a payment succeeded or failed",
            "reactivate": "it comes back",
            "resume": "a pause ends",
            "start_trial": "a trial begins",
            "uncancel": "a planned end is taken back",
        },
    ),
    **types_of(StatusFacts, "subscription.status", {"changed": "its state is another one"}),
    **types_of(
        ContractFacts,
        "contract",
        {"created": "a contract is agreed on", "ended": "it ends before its term is over"},
    ),
}
"""By subject."""
