"""Apply a set-up file: one transaction, as often as one likes; the same file changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from catalog.files.keeping import Finding, Keeper
from core.acting import OPERATOR
from core.calendar.intervals import Interval
from core.calendar.zones import parse_time_zone
from core.clock import Clock
from core.ids import TenantId
from core.money import Currency
from core.refusals import located
from db.postgres import Connection, Database
from identity.api_keys import has_api_key, insert_api_key
from identity.sandboxes import clock_of
from identity.tenants import ensure_tenant
from subscriptions.customers.customer import Customer, find_customer
from subscriptions.customers.register import ensure_customer
from subscriptions.customers.subjects import SINCE_EVER, link_subject
from subscriptions.document import (
    CustomerEntry,
    SetUpDocument,
    SubjectEntry,
    SubscriptionEntry,
    instant,
    parse_document,
)
from subscriptions.life.checks import find_version
from subscriptions.life.create import NewSubscription, ensure_subscription

_FIRST_KEY_NAME: Final = "first key"


@dataclass(slots=True)
class AppliedIds:
    """What the file's names stand for now. `api_key` is shown once: when it was created."""

    tenant_id: TenantId
    api_key: str | None = None
    meters: dict[str, UUID] = field(default_factory=dict)
    plan_versions: dict[str, UUID] = field(default_factory=dict)
    customers: dict[str, UUID] = field(default_factory=dict)
    subscriptions: dict[str, UUID] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    """One line per thing that was created or changed; empty when all was as the file says."""


def apply_catalog(db: Database, clock: Clock, document: dict[str, Any]) -> AppliedIds:
    """Make the tenant what the document says; nothing is removed that it does not mention.

    Everything or nothing. The tenant's first API key is created with it. Raises `ValidationError`,
    `ConflictError`, `NotFoundError` or `BusinessLogicError` naming the path in the document.
    """
    parsed = parse_document(document)
    with db.transaction() as conn:
        tenant, created = ensure_tenant(
            conn,
            clock,
            parsed.tenant.slug,
            parsed.tenant.name,
            _tenant_metadata(parsed),
            actor=OPERATOR,
        )
        clock = clock_of(conn, clock, tenant.id)
        run = _Run(conn, clock, AppliedIds(tenant.id))
        if created:
            run.note("created tenant", tenant.slug)
        if not has_api_key(conn, tenant.id):
            run.applied.api_key = insert_api_key(conn, clock.machine(), tenant.id, _FIRST_KEY_NAME)
            run.note("created API key", _FIRST_KEY_NAME)
        run.apply(parsed)
    return run.applied


def _tenant_metadata(document: SetUpDocument) -> dict[str, Any]:
    if document.tenant.invoicing is None:
        return {}
    return {"invoicing": document.tenant.invoicing.model_dump(exclude_none=True)}


class _Run:
    """One document on its way into one transaction."""

    def __init__(self, conn: Connection, clock: Clock, applied: AppliedIds) -> None:
        self._conn = conn
        self._clock = clock
        self._tenant_id = applied.tenant_id
        self._keeper = Keeper(conn, clock, applied.tenant_id)
        self.applied = applied

    def note(self, what: str, name: str) -> None:
        """Record a change for the report."""
        self.applied.changes.append(f"{what} {name}")

    def apply(self, document: SetUpDocument) -> None:
        """Everything in the order in which later entries refer to earlier ones."""
        for position, meter in enumerate(document.meters):
            with located(f"meters[{position}]"):
                found = self._keeper.meter(meter)
            self._tell(found, self.applied.meters)
        for position, feature in enumerate(document.features):
            with located(f"features[{position}]"):
                self._tell(self._keeper.feature(feature), {})
        for position, plan in enumerate(document.plans):
            found = self._keeper.plan(plan, f"plans[{position}]")
            self._tell(found, self.applied.plan_versions)
        customers: dict[str, Customer] = {}
        for position, customer in enumerate(document.customers):
            with located(f"customers[{position}]"):
                customers[customer.slug] = self._customer(customer)
            for index, subject in enumerate(customer.subjects):
                with located(f"customers[{position}].subjects[{index}]"):
                    self._subject(customers[customer.slug], subject)
        for position, subscription in enumerate(document.subscriptions):
            with located(f"subscriptions[{position}]"):
                self._subscription(subscription, customers)

    def _tell(self, found: Finding, ids: dict[str, UUID]) -> None:
        """Record what became of an entry of the catalog, and what its name stands for."""
        if found.version is not None:
            self.note("created plan version", f"{found.slug} {found.version}")
        elif found.outcome == "draft written":
            self.note("wrote draft of plan", found.slug)
        elif found.outcome != "unchanged":
            self.note(f"{found.outcome} {found.kind}", found.slug)
        if found.id is not None:
            ids[found.slug] = found.id

    def _customer(self, entry: CustomerEntry) -> Customer:
        customer, change = ensure_customer(self._conn, self._clock, self._tenant_id, entry)
        if change != "unchanged":
            self.note(f"{change} customer", entry.slug)
        self.applied.customers[entry.slug] = customer.id
        return customer

    def _subject(self, customer: Customer, entry: SubjectEntry) -> None:
        zone = parse_time_zone(customer.time_zone)
        since = SINCE_EVER if entry.valid_from is None else instant(entry.valid_from, zone)
        until = None if entry.valid_to is None else instant(entry.valid_to, zone)
        _, linked = link_subject(self._conn, self._clock, customer, entry.subject, since, until)
        if linked:
            self.note("linked subject", entry.subject)

    def _subscription(
        self,
        entry: SubscriptionEntry,
        customers: dict[str, Customer],
    ) -> None:
        customer = customers.get(entry.customer) or find_customer(
            self._conn, self._tenant_id, entry.customer
        )
        anchor = instant(entry.anchor, parse_time_zone(customer.time_zone))
        subscription, created = ensure_subscription(
            self._conn,
            self._clock,
            customer,
            find_version(self._conn, self._tenant_id, plan=entry.plan),
            NewSubscription(
                entry.slug,
                anchor,
                Interval.parse(entry.billing_cycle, "billing_cycle"),
                currency=None if entry.currency is None else Currency(entry.currency),
            ),
        )
        if created:
            self.note("created subscription", entry.slug)
        self.applied.subscriptions[entry.slug] = subscription.id
