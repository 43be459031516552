"""Holds: a quantity is taken ahead of use, then used, given back, or free again after some time.

A hold counts against the limit from its commit on, as a record does, until it has an outcome or its
time is over. It is committed with what was truly used: in one transaction it is closed and a record
written, under the lock of the counter, so that the quantity counts once; the record's event goes
its way as that of `usage/track` (`entitlements.tracking`). What was held is never refused then,
whatever became of the limit; what goes beyond it has to fit, as if it was tracked.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from psycopg.types.json import Jsonb

from catalog.features import find_feature
from catalog.meter_register import check_metadata
from core.acting import Acting
from core.errors import ValidationError
from core.ids import CustomerId, new_uuid
from core.quantities import parse_positive_quantity
from entitlements.bodies import NewHoldBody, TrackBody
from entitlements.counters import reserve
from entitlements.holds import check_open, close_hold, find_hold, insert_hold
from entitlements.measuring import counter_key
from entitlements.record_events import check_countable
from entitlements.reserving import Attempt, Once, Reserving
from entitlements.tracking import meter_of, use_of, write_use
from identity.sandboxes import clock_of
from subscriptions.customers.customer import read_customer


class Holding:
    """Makes and closes holds; threads may share it."""

    def __init__(self, reserving: Reserving) -> None:
        self._reserving = reserving

    def hold(self, acting: Acting, body: NewHoldBody, once: Once) -> dict[str, Any]:
        """Hold a quantity, and tell how the customer stands with it.

        Raises as `Reserving.perform`, `ValidationError`, `NotFoundError`, `BusinessLogicError`,
        `UsageLimitExceededError`.
        """
        return self._reserving.perform(acting, once, lambda attempt: _hold(attempt, body))

    def commit(self, acting: Acting, name: str, body: TrackBody, once: Once) -> dict[str, Any]:
        """Write down what was used of a hold, which ends; the record's event is to be sent then.

        Raises as `Tracking.record`, `HoldNotFoundError`, `HoldClosedError`.
        """
        return self._reserving.perform(acting, once, lambda attempt: _commit(attempt, name, body))

    def release(self, acting: Acting, name: str, once: Once) -> dict[str, Any]:
        """Give back what is held. Raises `HoldNotFoundError`, `HoldClosedError`."""
        with self._reserving.db.transaction(acting) as conn:
            clock = clock_of(conn, self._reserving.clock, acting.tenant_id)

            def perform() -> dict[str, Any]:
                hold, at = find_hold(conn, acting.tenant_id, name), clock.now()
                return close_hold(conn, clock, acting.tenant_id, hold, at).as_resource(at)

            return once(conn, perform)

    def find(self, acting: Acting, name: str) -> dict[str, Any]:
        """A hold as it stands now. Raises `HoldNotFoundError`."""
        with self._reserving.db.transaction(acting, snapshot=True) as conn:
            now = clock_of(conn, self._reserving.clock, acting.tenant_id).now()
            return find_hold(conn, acting.tenant_id, name).as_resource(now)


def _hold(attempt: Attempt, body: NewHoldBody) -> dict[str, Any]:
    conn, tenant_id, now = attempt.conn, attempt.tenant_id, attempt.now
    quantity = parse_positive_quantity(body.quantity, "quantity")
    customer_id = CustomerId(read_customer(conn, tenant_id, body.customer).id)
    feature = find_feature(conn, tenant_id, body.feature)
    check_countable(meter_of(attempt, feature), quantity, now)
    counter = attempt.lock(customer_id, feature)
    key = counter_key(tenant_id, customer_id, feature.id)
    standing = reserve(conn, key, counter, quantity)
    row = {
        "id": new_uuid(attempt.clock),
        "usage_type": feature.slug,
        "quantity": quantity,
        "held_at": now,
        "expires_at": now + timedelta(seconds=body.expires_in),
        "created_at": attempt.clock.machine().now(),
        "metadata": Jsonb(check_metadata(body.metadata)),
    }
    made = insert_hold(conn, attempt.clock, row | key)
    return made.as_resource(now) | {"allowed": True} | standing.as_told(counter)


def _commit(attempt: Attempt, name: str, body: TrackBody) -> dict[str, Any]:
    hold = find_hold(attempt.conn, attempt.tenant_id, name)
    check_open(hold, attempt.now)
    use = use_of(attempt, body)
    if use.feature.id != hold.feature_id:
        raise ValidationError(f"feature: {hold.feature!r} is held; commit that", field="feature")
    if use.customer_id != hold.customer_id:
        raise ValidationError(
            f"subject: {body.subject!r} belongs to another customer than the one it is held for",
            field="subject",
        )
    counter = attempt.lock(use.customer_id, use.feature)
    record_id = new_uuid(attempt.clock)
    # First it ends, so it does not count beside its record; a refusal takes that back.
    closed = close_hold(
        attempt.conn, attempt.clock, attempt.tenant_id, hold, attempt.now, record_id
    )
    written = write_use(attempt, counter, use, record_id, promised=closed.quantity)
    shown = closed.as_resource(attempt.now)
    return written | {"hold": shown["id"], "held": shown["quantity"]}
