"""What is known of a customer that says what it may use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sql
from core.calendar.intervals import Interval
from core.ids import TenantId, format_id
from db.postgres import Connection
from subscriptions.customers.customer import Customer, read_customer
from subscriptions.customers.subjects import SubjectLink, subjects_of
from subscriptions.life.subscription import Subscription, page_of_subscriptions

_SUBSCRIPTIONS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Offer:
    """What a plan version, or an override, gives of a feature.

    Of a metered one up to `limit` (None: without end) in each `reset` (None: the billing period),
    refused beyond it where `hard`; of a static one the text `value`.
    """

    limit: Decimal | None = None
    hard: bool = False
    reset: Interval | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """What a customer is given of a feature in `[start, end)` instead; no offer: nothing."""

    id: UUID
    feature: str
    offer: Offer | None
    start: datetime
    end: datetime | None
    recorded_at: datetime
    metadata: Mapping[str, str]

    def holds(self, at: datetime) -> bool:
        """Whether it holds at an instant."""
        return self.start <= at and (self.end is None or at < self.end)

    def as_resource(self) -> dict[str, Any]:
        """The form that is shown outside."""
        offer = self.offer or Offer()
        return {
            "id": format_id("ovr", self.id),
            "feature": self.feature,
            "given": self.offer is not None,
            "limit": quantity_text(offer.limit),
            "hard": offer.hard,
            "reset": offer.reset and str(offer.reset),
            "value": offer.value,
            "start": self.start.isoformat(),
            "end": self.end and self.end.isoformat(),
            "metadata": dict(self.metadata),
        }


@dataclass(frozen=True, slots=True)
class Grant:
    """So much more of a metered feature, once, for use in `[start, end)`.

    What the limit leaves is used first; then grants, by `priority`, the one that ends first, id.
    """

    id: UUID
    feature: str
    quantity: Decimal
    priority: int
    start: datetime
    end: datetime
    recorded_at: datetime
    metadata: Mapping[str, str]

    def holds(self, at: datetime) -> bool:
        """Whether it can be used at an instant."""
        return self.start <= at < self.end

    @property
    def order(self) -> tuple[int, datetime, UUID]:
        """Which is used first: the smallest."""
        return (self.priority, self.end, self.id)

    def as_resource(self) -> dict[str, Any]:
        """The form that is shown outside."""
        return {
            "id": format_id("grt", self.id),
            "feature": self.feature,
            "quantity": quantity_text(self.quantity),
            "priority": self.priority,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "metadata": dict(self.metadata),
        }


@dataclass(frozen=True, slots=True)
class Facts:
    """A customer with its subscriptions, the oldest first, and all else that gives it something.

    `offers` are those of plan versions, by feature.
    """

    customer: Customer
    subscriptions: tuple[Subscription, ...]
    offers: Mapping[UUID, Mapping[str, Offer]]
    overrides: tuple[Override, ...]
    grants: tuple[Grant, ...]
    links: tuple[SubjectLink, ...]

    @property
    def features(self) -> list[str]:
        """All that may be given to the customer at some instant."""
        named = {name for offers in self.offers.values() for name in offers}
        return sorted(named | {each.feature for each in self.overrides})


def read_facts(conn: Connection, tenant_id: TenantId, reference: str) -> Facts:
    """All that is known now; for a snapshot. Raises `CustomerNotFoundError`."""
    customer = read_customer(conn, tenant_id, reference)
    found = page_of_subscriptions(
        conn, tenant_id, customer_id=customer.id, limit=_SUBSCRIPTIONS_MAX
    )
    held = [terms for each in found for terms in each.standing.terms]
    versions = {terms.plan_version_id for terms in held}.union(*(terms.addons for terms in held))
    return Facts(
        customer,
        tuple(sorted(found, key=lambda each: (each.standing.start, each.id))),
        _offers(conn, tenant_id, sorted(versions)),
        overrides_of(conn, customer),
        grants_of(conn, customer),
        tuple(subjects_of(conn, customer)),
    )


def overrides_of(conn: Connection, customer: Customer) -> tuple[Override, ...]:
    """A customer's overrides as they are known, by feature and time."""
    values = {"tenant_id": customer.tenant_id, "customer_id": customer.id}
    rows = conn.execute(sql.load("postgres/queries/select_overrides"), values)
    return tuple(
        Override(
            row["id"],
            row["feature"],
            _offer(row) if row["given"] else None,
            row["start"],
            row["end"],
            row["recorded_from"],
            row["metadata"],
        )
        for row in rows
    )


def grants_of(conn: Connection, customer: Customer) -> tuple[Grant, ...]:
    """A customer's grants as they are known, by feature, in the order in which they are used."""
    values = {"tenant_id": customer.tenant_id, "customer_id": customer.id}
    rows = conn.execute(sql.load("postgres/queries/select_grants"), values)
    return tuple(
        Grant(
            row["id"],
            row["feature"],
            row["quantity"],
            row["priority"],
            row["start"],
            row["end"],
            row["recorded_from"],
            row["metadata"],
        )
        for row in rows
    )


def quantity_text(quantity: Decimal | None) -> str | None:
    """A quantity without an exponent and without zeros at its end."""
    if quantity is None:
        return None
    text = f"{quantity:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _offers(
    conn: Connection, tenant_id: TenantId, versions: Sequence[UUID]
) -> Mapping[UUID, Mapping[str, Offer]]:
    values = {"tenant_id": tenant_id, "plan_version_ids": list(versions)}
    found: defaultdict[UUID, dict[str, Offer]] = defaultdict(dict)
    for row in conn.execute(sql.load("postgres/queries/select_plan_entitlements"), values):
        found[row["plan_version_id"]][row["feature"]] = _offer(row)
    return found


def _offer(row: Mapping[str, Any]) -> Offer:
    return Offer(
        None if row["limit"] is None else Decimal(row["limit"]),
        row["hard"],
        None if row["reset"] is None else Interval.parse(row["reset"]),
        row["value"],
    )
