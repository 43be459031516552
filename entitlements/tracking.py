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

from dataclasses import dataclass
from datetime import timedelta
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
from core.cloudevents.wire import WireEvent
from core.errors import BusinessLogicError, ValidationError
from core.ids import CustomerId, TenantId, format_id, new_uuid, parse_id
from core.quantities import parse_positive_quantity
from db.outbox import Change, append
from db.postgres import Database
from entitlements.bodies import TrackBody
from entitlements.counters import UsageCounter, reserve
from entitlements.facts import quantity_text
from entitlements.measuring import counter_key
from entitlements.record_events import SOURCE, data_of_event, key_of_record
from entitlements.reserving import Attempt, Once, Reserving
from subscriptions.customers.customer import read_customer
from subscriptions.customers.subjects import check_subject, customer_of
from subscriptions.errors import CustomerNotFoundError

_UNSENT_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Unsent:
    """A record whose event Kafka may not have."""

    record_id: UUID
    event: WireEvent


@dataclass(frozen=True, slots=True)
class Use:
    """What somebody uses, and of what, as its event says it."""

    body: TrackBody
    customer_id: CustomerId
    feature: Feature
    meter: MeterDefinition
    quantity: Decimal
    data: str


class Tracking:
    """Writes down what is used; threads may share it."""

    def __init__(self, reserving: Reserving) -> None:
        self._reserving = reserving
        self._db = reserving.db
        self._clock = reserving.clock

    def record(self, acting: Acting, body: TrackBody, once: Once) -> dict[str, Any]:
        """Reserve and write down; the answer once the event is in the log (`unsent`, `sent`).

        Raises as `Reserving.perform`, `use_of` and `write_use`.
        """

        def attempt(trial: Attempt) -> dict[str, Any]:
            use = use_of(trial, body)
            counter = trial.lock(use.customer_id, use.feature)
            return write_use(trial, counter, use, new_uuid(trial.clock))

        return self._reserving.perform(acting, once, attempt)

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


def use_of(attempt: Attempt, body: TrackBody) -> Use:
    """What a body says, checked.

    Raises `ValidationError`, `CustomerNotFoundError`, `NotFoundError` for a feature that there is
    not, and `BusinessLogicError` for one of which nothing is used up by events.
    """
    quantity = parse_positive_quantity(body.quantity, "quantity")
    customer_id = _payer(attempt, body)
    feature = find_feature(attempt.conn, attempt.tenant_id, body.feature)
    meter = meter_of(attempt, feature)
    data = data_of_event(meter, quantity, body.properties, attempt.now)
    return Use(body, customer_id, feature, meter, quantity, data)


def write_use(
    attempt: Attempt,
    counter: UsageCounter,
    use: Use,
    record_id: UUID,
    promised: Decimal = Decimal(0),
) -> dict[str, Any]:
    """Reserve and write down, under the counter's lock: the record, its outbox row, the answer.

    Raises as `counters.reserve`.
    """
    conn, tenant_id, now = attempt.conn, attempt.tenant_id, attempt.now
    key = counter_key(tenant_id, use.customer_id, use.feature.id)
    standing = reserve(conn, key, counter, use.quantity, promised)
    row = {
        "id": record_id,
        "subscription_id": counter.subscription_id,
        "usage_type": use.feature.slug,
        "quantity": use.quantity,
        "start": counter.window.start,
        "end": counter.window.end,
        "subject": use.body.subject,
        "event_type": use.meter.event_types[0],
        "event_key": key_of_record(tenant_id, record_id),
        "data": use.data,
        "occurred_at": now,
        "created_at": attempt.clock.machine().now(),
        "metadata": Jsonb(check_metadata(use.body.metadata)),
    }
    conn.execute(sql.load("postgres/queries/insert_usage_record"), row | key)
    name = format_id("usr", record_id)
    shown = {
        "id": name,
        "customer": format_id("cus", use.customer_id),
        "subscription": format_id("sub", counter.subscription_id),
        "subject": use.body.subject,
        "feature": use.body.feature,
        "quantity": quantity_text(use.quantity),
        "time": now.isoformat(),
        "window": {
            "start": counter.window.start.isoformat(),
            "end": counter.window.end.isoformat(),
        },
    }
    append(conn, attempt.clock, tenant_id, Change("usage.recorded", name, shown))
    return shown | standing.as_told(counter)


def meter_of(attempt: Attempt, feature: Feature) -> MeterDefinition:
    """What counts the use of a feature. Raises `BusinessLogicError` where nothing is used up."""
    if feature.meter_id is None:
        raise BusinessLogicError(
            f"feature: {feature.slug!r} is {feature.kind}, so nothing of it is used up",
            field="feature",
        )
    return find_meter_by_id(attempt.conn, attempt.tenant_id, feature.meter_id).definition


def tenants_with_unsent(snapshot: Database) -> list[TenantId]:
    """Whose records may have been left unsent; for the role that sees so much of all tenants."""
    with snapshot.transaction() as conn:
        rows = conn.execute(sql.load("postgres/queries/select_tenants_with_unsent_usage"))
        return [TenantId(row["tenant_id"]) for row in rows]


def _payer(attempt: Attempt, body: TrackBody) -> CustomerId:
    """Who pays for the subject now."""
    conn, tenant_id = attempt.conn, attempt.tenant_id
    check_subject(body.subject)
    found = customer_of(conn, tenant_id, body.subject, attempt.now, None)
    if found is None:
        raise CustomerNotFoundError(
            f"subject: {body.subject!r} belongs to no customer now; link it to one", field="subject"
        )
    if body.customer is not None and read_customer(conn, tenant_id, body.customer).id != found:
        raise ValidationError(
            f"customer: {body.subject!r} belongs to another one now", field="customer"
        )
    return CustomerId(found)


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
