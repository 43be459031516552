"""`usage/track`: what somebody uses now is checked, reserved, written down and sent, in one call.

1. the subject's customer, and its active subscription;
2. the limit, under the lock of its counter (`entitlements.counters`);
3. the record and its outbox row, in one transaction;
4. the event, whose id is the record's, to the log;
5. what is used, left and exceeded, as the log and the open records say.

A process that dies between 3 and 4 leaves a record that is not sent. A sweep sends it; so does the
same call with the same Idempotency-Key. As the event's id is the record's, copies are duplicates.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
from psycopg.types.json import Jsonb

import sql
from catalog.features import Feature, find_feature
from catalog.meter_definition import MeterDefinition
from catalog.meter_register import check_metadata
from catalog.meters import find_meter_by_id
from core.acting import Acting
from core.clock import Clock
from core.cloudevents.wire import WireEvent
from core.errors import BusinessLogicError, DependencyDownError, ValidationError
from core.events import AHEAD_MAX
from core.ids import CustomerId, TenantId, format_id, new_uuid, parse_id
from core.quantities import parse_quantity
from db.outbox import Change, append
from db.postgres import Connection, Database
from entitlements.bodies import TrackBody
from entitlements.counters import UsageCounter, find_counter, renew_counter, reserve
from entitlements.errors import FeatureNotGivenError, NoActiveSubscriptionError
from entitlements.facts import quantity_text
from entitlements.measuring import Measured, Measuring, counter_key
from entitlements.record_events import SOURCE, data_of_event, key_of_record
from identity.sandboxes import clock_of
from subscriptions.customers.customer import read_customer
from subscriptions.customers.subjects import check_subject, customer_of
from subscriptions.errors import CustomerNotFoundError

Once = Callable[[Connection, Callable[[], dict[str, Any]]], dict[str, Any]]
"""Gives a repeated request its first answer, in the transaction that has the effect."""

FRESH: Final = timedelta(seconds=2)
"""A counter that was read longer ago is read again before anything is reserved of it."""

STALE: Final = timedelta(seconds=60)
"""While ClickHouse is away, one that was read longer ago than that lets nothing through."""

_TRIES: Final = 4
_STRIPES: Final = 64
_UNSENT_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Unsent:
    """A record whose event Kafka may not have."""

    record_id: UUID
    event: WireEvent


class _StaleError(Exception):
    """The counter is to be read again, then the same is to be tried again."""

    def __init__(self, customer_id: CustomerId, feature: Feature) -> None:
        super().__init__()
        self.customer_id = customer_id
        self.feature = feature


class Tracking:
    """Writes down what is used; threads may share it."""

    def __init__(self, measuring: Measuring) -> None:
        self._measuring = measuring
        self._db = measuring.db
        self._clock = measuring.clock
        self._locks = [threading.Lock() for _ in range(_STRIPES)]

    def record(self, acting: Acting, body: TrackBody, once: Once) -> dict[str, Any]:
        """Reserve and write down; the answer once the event is in the log (`unsent`, `sent`).

        Raises `ValidationError`, `CustomerNotFoundError`, `NoActiveSubscriptionError`,
        `FeatureNotGivenError`, `UsageLimitExceededError`, `DependencyDownError`.
        """
        allowed = FRESH
        for _ in range(_TRIES):
            try:
                with self._db.transaction(acting) as conn:
                    return once(conn, lambda: self._reserve(conn, acting, body, allowed))  # noqa: B023 - called before the next round
            except _StaleError as stale:
                # What was just read may be told, however long that took.
                self._renew(acting, stale.customer_id, stale.feature)
                allowed = STALE
        raise DependencyDownError("what was used changes faster than it can be read; try again")

    def unsent(
        self, acting: Acting, record: str | None = None, older_than: timedelta = timedelta(0)
    ) -> list[Unsent]:
        """Events that Kafka may not have: of a record (`usr_…`), or the oldest of all."""
        values = {
            "tenant_id": acting.tenant_id,
            "id": None if record is None else parse_id("usr", record),
            "before": self._clock.now() - older_than,
            "limit": _UNSENT_MAX,
        }
        with self._db.transaction(acting) as conn:
            rows = conn.execute(sql.load("postgres/queries/select_unsent_usage_records"), values)
            return [Unsent(row["id"], _event(row)) for row in rows]

    def sent(self, acting: Acting, records: list[UUID]) -> None:
        """Write down that Kafka has the events of these records."""
        values = {"tenant_id": acting.tenant_id, "ids": records, "now": self._clock.now()}
        with self._db.transaction(acting) as conn:
            conn.execute(sql.load("postgres/queries/mark_usage_records_sent"), values)

    def _reserve(
        self, conn: Connection, acting: Acting, body: TrackBody, allowed: timedelta
    ) -> dict[str, Any]:
        tenant_id = acting.tenant_id
        clock = clock_of(conn, self._clock, tenant_id)
        now = self._sendable(clock)
        quantity = parse_quantity(body.quantity, "quantity")
        if not quantity:
            raise ValidationError("quantity: give more than 0", field="quantity")
        customer_id = _payer(conn, tenant_id, body, now)
        feature = find_feature(conn, tenant_id, body.feature)
        meter = _meter(conn, tenant_id, feature)
        data = data_of_event(meter, quantity, body.properties, now)
        key = counter_key(tenant_id, customer_id, feature.id)
        counter = find_counter(conn, key, lock=True)
        # In a sandbox time stands still, and nothing grows old: it is read again each time.
        is_old = allowed == FRESH and clock is not self._clock
        if counter is None or is_old or counter.as_of < now - allowed or now not in counter.window:
            raise _StaleError(customer_id, feature)
        standing = reserve(conn, key, counter, quantity)
        record_id = new_uuid(self._clock)
        row = {
            "id": record_id,
            "subscription_id": counter.subscription_id,
            "usage_type": feature.slug,
            "quantity": quantity,
            "start": counter.window.start,
            "end": counter.window.end,
            "subject": body.subject,
            "event_type": meter.event_types[0],
            "event_key": key_of_record(tenant_id, record_id),
            "data": data,
            "occurred_at": now,
            "created_at": self._clock.now(),
            "metadata": Jsonb(check_metadata(body.metadata)),
        }
        conn.execute(sql.load("postgres/queries/insert_usage_record"), row | key)
        shown = _shown(record_id, customer_id, counter, body, quantity, now)
        append(conn, self._clock, tenant_id, Change("usage.recorded", shown["id"], shown))
        return shown | {
            "used": quantity_text(standing.used),
            "limit": quantity_text(standing.limit),
            "remaining": quantity_text(standing.remaining),
            "exceeded": standing.exceeded,
            "as_of": counter.as_of.isoformat(),
            "cut": counter.cut.offsets,
        }

    def _sendable(self, clock: Clock) -> datetime:
        """The tenant's time. Raises `BusinessLogicError` where the log takes no event of it."""
        now = clock.now()
        if now > self._clock.now() + AHEAD_MAX:
            raise BusinessLogicError(
                f"the sandbox's clock stands at {now.isoformat()}, more than 24 hours ahead of real"
                " time: the log takes no events from there; begin a sandbox further in the past"
            )
        return now

    def _renew(self, acting: Acting, customer_id: CustomerId, feature: Feature) -> None:
        """Read a counter again, unless another thread just did."""
        key = counter_key(acting.tenant_id, customer_id, feature.id)
        with self._locks[hash((customer_id, feature.id)) % _STRIPES]:
            with self._db.transaction(acting) as conn:
                clock = clock_of(conn, self._clock, acting.tenant_id)
                held, now = find_counter(conn, key), clock.now()
            is_real = clock is self._clock
            if is_real and held is not None and held.as_of >= now - FRESH and now in held.window:
                return
            try:
                name = format_id("cus", customer_id)
                measured = self._measuring.measure(acting, name, feature.slug)
            except DependencyDownError:
                if held is None or held.as_of < now - STALE or now not in held.window:
                    raise
                return
            _refuse(measured)
            with self._db.transaction(acting) as conn:
                renew_counter(conn, measured)


def tenants_with_unsent(snapshot: Database) -> list[TenantId]:
    """Whose records may have been left unsent; for the role that sees so much of all tenants."""
    with snapshot.transaction() as conn:
        rows = conn.execute(sql.load("postgres/queries/select_tenants_with_unsent_usage"))
        return [TenantId(row["tenant_id"]) for row in rows]


def _refuse(measured: Measured) -> None:
    """Raise where the customer may not use the feature at all."""
    customer, feature = measured.customer.slug, measured.feature.slug
    if not measured.has_subscription:
        raise NoActiveSubscriptionError(
            f"subject: its customer {customer!r} has no active subscription; create one",
            customer=customer,
        )
    if measured.given is None or measured.given.subscription is None:
        raise FeatureNotGivenError(
            f"feature: nothing gives {feature!r} to customer {customer!r} now; sell it a plan or an"
            " add-on that does, or override it",
            customer=customer,
            feature=feature,
        )


def _payer(conn: Connection, tenant_id: TenantId, body: TrackBody, now: datetime) -> CustomerId:
    """Who pays for the subject now."""
    check_subject(body.subject)
    found = customer_of(conn, tenant_id, body.subject, now, None)
    if found is None:
        raise CustomerNotFoundError(
            f"subject: {body.subject!r} belongs to no customer now; link it to one", field="subject"
        )
    if body.customer is not None and read_customer(conn, tenant_id, body.customer).id != found:
        raise ValidationError(
            f"customer: {body.subject!r} belongs to another one now", field="customer"
        )
    return CustomerId(found)


def _meter(conn: Connection, tenant_id: TenantId, feature: Feature) -> MeterDefinition:
    if feature.meter_id is None:
        raise BusinessLogicError(
            f"feature: {feature.slug!r} is {feature.kind}, so nothing of it is used up",
            field="feature",
        )
    return find_meter_by_id(conn, tenant_id, feature.meter_id).definition


def _event(row: dict[str, Any]) -> WireEvent:
    return WireEvent(
        specversion="1.0",
        id=format_id("usr", row["id"]),
        source=SOURCE,
        type=row["event_type"],
        subject=row["subject"],
        time=row["occurred_at"].isoformat(),
        data=msgspec.Raw(row["data"].encode()),
    )


def _shown(
    record_id: UUID,
    customer_id: CustomerId,
    counter: UsageCounter,
    body: TrackBody,
    quantity: Decimal,
    now: datetime,
) -> dict[str, Any]:
    """A record as it is told."""
    return {
        "id": format_id("usr", record_id),
        "customer": format_id("cus", customer_id),
        "subscription": format_id("sub", counter.subscription_id),
        "subject": body.subject,
        "feature": body.feature,
        "quantity": quantity_text(quantity),
        "time": now.isoformat(),
        "window": {
            "start": counter.window.start.isoformat(),
            "end": counter.window.end.isoformat(),
        },
    }
