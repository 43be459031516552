"""Apply a set-up file: one transaction, as often as one likes; the same file changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from catalog.meters import (
    MeterDefinition,
    create_meter_of_document,
    list_meters,
    update_meter,
)
from catalog.plans import PlanVersion, RateCard, ensure_plan_version, find_plan_version
from catalog.prices import price_terms
from core.acting import OPERATOR
from core.calendar.intervals import Interval
from core.calendar.zones import parse_time_zone
from core.clock import Clock
from core.errors import BusinessLogicError, ConflictError, NotFoundError, ValidationError
from core.ids import TenantId
from core.money import Currency
from db.postgres import Connection, Database
from identity.api_keys import has_api_key, insert_api_key
from identity.tenants import ensure_tenant
from rating.rounding import DEFAULT_ROUNDING_MODE
from subscriptions.customers import Customer, ensure_customer, ensure_subject, find_customer
from subscriptions.document import (
    CustomerEntry,
    MeterEntry,
    PlanEntry,
    RateCardEntry,
    SetUpDocument,
    SubjectEntry,
    SubscriptionEntry,
    instant,
    parse_document,
)
from subscriptions.subscriptions import ensure_subscription

SINCE_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""From when an undated subject belongs to its customer: no event is older."""

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
        run = _Run(conn, clock, AppliedIds(tenant.id))
        if created:
            run.note("created tenant", tenant.slug)
        if not has_api_key(conn, tenant.id):
            run.applied.api_key = insert_api_key(conn, clock, tenant.id, _FIRST_KEY_NAME)
            run.note("created API key", _FIRST_KEY_NAME)
        run.apply(parsed)
    return run.applied


def _tenant_metadata(document: SetUpDocument) -> dict[str, Any]:
    if document.tenant.invoicing is None:
        return {}
    return {"invoicing": document.tenant.invoicing.model_dump(exclude_none=True)}


@contextmanager
def _at(path: str) -> Iterator[None]:
    """Put the path in the document before the message of a refusal."""
    try:
        yield
    except (ValidationError, ConflictError, NotFoundError, BusinessLogicError) as error:
        error.message = f"{path}.{error.message}"
        error.args = (error.message,)
        raise


class _Run:
    """One document on its way into one transaction."""

    def __init__(self, conn: Connection, clock: Clock, applied: AppliedIds) -> None:
        self._conn = conn
        self._clock = clock
        self._tenant_id = applied.tenant_id
        self._meters = {meter.slug: meter for meter in list_meters(conn, applied.tenant_id)}
        self.applied = applied

    def note(self, what: str, name: str) -> None:
        """Record a change for the report."""
        self.applied.changes.append(f"{what} {name}")

    def apply(self, document: SetUpDocument) -> None:
        """Everything in the order in which later entries refer to earlier ones."""
        for position, meter in enumerate(document.meters):
            with _at(f"meters[{position}]"):
                self._meter(meter)
        plans: dict[str, PlanVersion] = {}
        for position, plan in enumerate(document.plans):
            plans[plan.slug] = self._plan(plan, f"plans[{position}]")
        customers: dict[str, Customer] = {}
        for position, customer in enumerate(document.customers):
            with _at(f"customers[{position}]"):
                customers[customer.slug] = self._customer(customer)
            for index, subject in enumerate(customer.subjects):
                with _at(f"customers[{position}].subjects[{index}]"):
                    self._subject(customers[customer.slug], subject)
        for position, subscription in enumerate(document.subscriptions):
            with _at(f"subscriptions[{position}]"):
                self._subscription(subscription, customers, plans)

    def _meter(self, entry: MeterEntry) -> None:
        known = self._meters.get(entry.slug)
        if known is None:
            known = create_meter_of_document(
                self._conn,
                self._clock,
                self._tenant_id,
                entry.definition(),
                slug=entry.slug,
                name=entry.name,
            )
            self._meters[entry.slug] = known
            self.note("created meter", entry.slug)
        _check_same_meter(known, entry)
        if (known.name, known.unit) != (entry.name, entry.unit):
            update_meter(
                self._conn,
                self._clock,
                self._tenant_id,
                known.id,
                name=entry.name,
                unit=entry.unit,
            )
            self.note("relabelled meter", entry.slug)
        self.applied.meters[entry.slug] = known.id

    def _plan(self, entry: PlanEntry, path: str) -> PlanVersion:
        with _at(path):
            currency = Currency(entry.currency)
        cards = []
        for index, card in enumerate(entry.rate_cards):
            with _at(f"{path}.rate_cards[{index}]"):
                cards.append(self._rate_card(card, currency))
        with _at(path):
            version, created = ensure_plan_version(
                self._conn,
                self._clock,
                self._tenant_id,
                slug=entry.slug,
                name=entry.name,
                currency=currency,
                rate_cards=cards,
                limits=entry.limits,
            )
        if created:
            self.note("created plan version", f"{entry.slug} {version.number}")
        self.applied.plan_versions[entry.slug] = version.id
        return version

    def _rate_card(self, entry: RateCardEntry, currency: Currency) -> RateCard:
        parameters = dict(entry.price)
        with _at("price"):
            if "model" not in parameters:
                raise ValidationError('model: missing; write model = "per_unit"', field="model")
            model = str(parameters.pop("model"))
            rounding = str(parameters.pop("rounding", DEFAULT_ROUNDING_MODE))
            price = price_terms(model, currency.code, parameters, rounding)
        cadence = None if entry.cadence is None else Interval.parse(entry.cadence, "cadence")
        if entry.meter is None:
            return RateCard(entry.key, entry.name, price, cadence=cadence)
        meter = self._meters.get(entry.meter)
        if meter is None:
            raise NotFoundError(
                f"meter: there is none called {entry.meter!r}; add it to [[meters]]"
            )
        return RateCard(entry.key, entry.name, price, meter.id, cadence)

    def _customer(self, entry: CustomerEntry) -> Customer:
        customer, change = ensure_customer(
            self._conn,
            self._clock,
            self._tenant_id,
            slug=entry.slug,
            name=entry.name,
            time_zone=entry.time_zone,
            currency=Currency(entry.currency),
            billing_info=entry.billing_info.model_dump(exclude_none=True),
        )
        if change != "unchanged":
            self.note(f"{change} customer", entry.slug)
        self.applied.customers[entry.slug] = customer.id
        return customer

    def _subject(self, customer: Customer, entry: SubjectEntry) -> None:
        zone = parse_time_zone(customer.time_zone)
        since = SINCE_EVER if entry.valid_from is None else instant(entry.valid_from, zone)
        until = None if entry.valid_to is None else instant(entry.valid_to, zone)
        if ensure_subject(self._conn, self._clock, customer, entry.subject, since, until):
            self.note("linked subject", entry.subject)

    def _subscription(
        self,
        entry: SubscriptionEntry,
        customers: dict[str, Customer],
        plans: dict[str, PlanVersion],
    ) -> None:
        customer = customers.get(entry.customer) or find_customer(
            self._conn, self._tenant_id, entry.customer
        )
        plan = plans.get(entry.plan) or find_plan_version(self._conn, self._tenant_id, entry.plan)
        anchor = instant(entry.anchor, parse_time_zone(customer.time_zone))
        subscription, created = ensure_subscription(
            self._conn,
            self._clock,
            customer,
            plan,
            slug=entry.slug,
            anchor=anchor,
            interval=Interval.parse(entry.billing_cycle, "billing_cycle"),
        )
        if created:
            self.note("created subscription", entry.slug)
        self.applied.subscriptions[entry.slug] = subscription.id


def _check_same_meter(known: MeterDefinition, entry: MeterEntry) -> None:
    wanted = MeterDefinition.from_document(
        entry.definition(),
        meter_id=known.id,
        tenant_id=known.tenant_id,
        slug=entry.slug,
        name=entry.name,
        catalog_version=known.catalog_version,
    )
    before, now = known.as_document(), wanted.as_document()
    for name in {**before, **now}:
        if before.get(name) != now.get(name):
            field = "event_type" if name == "event_types" else name
            raise ConflictError(
                f"{field}: the meter {entry.slug!r} is final and has {before.get(name)!r}; create a"
                " meter with another slug",
                field=field,
            )
