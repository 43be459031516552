"""What all who reserve of a limit have alike: the counter, not older than it may be, and its lock.

An attempt is one transaction. Where the counter is too old it is rolled back, the counter is read
again outside of any lock, and the same is tried again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from catalog.features import Feature
from core.acting import Acting
from core.clock import Clock
from core.errors import BusinessLogicError, DependencyDownError
from core.events import AHEAD_MAX
from core.ids import CustomerId, TenantId, format_id
from db.postgres import Connection
from entitlements.counters import UsageCounter, find_counter, renew_counter
from entitlements.errors import FeatureNotGivenError, NoActiveSubscriptionError
from entitlements.holds import expire_holds
from entitlements.measuring import Measured, Measuring, counter_key
from identity.sandboxes import clock_of

Once = Callable[[Connection, Callable[[], dict[str, Any]]], dict[str, Any]]
"""Gives a repeated request its first answer, in the transaction that has the effect."""

FRESH: Final = timedelta(seconds=2)
"""A counter that was read longer ago is read again before anything is reserved of it."""

STALE: Final = timedelta(seconds=60)
"""While ClickHouse is away, one that was read longer ago than that lets nothing through."""

_TRIES: Final = 4
_STRIPES: Final = 64


class _StaleError(Exception):
    """The counter is to be read again, then the same is to be tried again."""

    def __init__(self, customer_id: CustomerId, feature: Feature) -> None:
        super().__init__()
        self.customer_id = customer_id
        self.feature = feature


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try, in its transaction, at the tenant's time."""

    conn: Connection
    tenant_id: TenantId
    clock: Clock
    now: datetime
    age_max: timedelta

    def lock(self, customer_id: CustomerId, feature: Feature) -> UsageCounter:
        """The counter: nobody else reserves of it until commit. Holds that are over are closed."""
        key = counter_key(self.tenant_id, customer_id, feature.id)
        counter = find_counter(self.conn, key, lock=True)
        # In a sandbox time stands still, and nothing grows old: it is read again each time.
        is_old = self.age_max == FRESH and self.clock is not self.clock.machine()
        if (
            counter is None
            or is_old
            or counter.as_of < self.now - self.age_max
            or self.now not in counter.window
        ):
            raise _StaleError(customer_id, feature)
        expire_holds(self.conn, self.clock, key, self.now)
        return counter


class Reserving:
    """Tries until the counter is as it has to be; threads may share it."""

    def __init__(self, measuring: Measuring) -> None:
        self.db = measuring.db
        self.clock = measuring.clock
        self._measuring = measuring
        self._locks = [threading.Lock() for _ in range(_STRIPES)]

    def perform(
        self, acting: Acting, once: Once, attempt: Callable[[Attempt], dict[str, Any]]
    ) -> dict[str, Any]:
        """What `attempt` answers; whatever it writes is written once, and all of it.

        Raises `NoActiveSubscriptionError`, `FeatureNotGivenError`, `DependencyDownError`, and
        `BusinessLogicError` in a sandbox from whose time the log takes no events.
        """
        age_max = FRESH
        for _ in range(_TRIES):
            try:
                with self.db.transaction(acting) as conn:
                    clock = clock_of(conn, self.clock, acting.tenant_id)

                    def perform() -> dict[str, Any]:
                        # Not before: what was done already is answered whatever the time is now.
                        at = _sendable(clock)  # noqa: B023 - called before the next round
                        return attempt(Attempt(conn, acting.tenant_id, clock, at, age_max))  # noqa: B023 - as above

                    return once(conn, perform)
            except _StaleError as stale:
                # What was just read may be told, however long that took.
                self._renew(acting, stale.customer_id, stale.feature)
                age_max = STALE
        raise DependencyDownError("what was used changes faster than it can be read; try again")

    def _renew(self, acting: Acting, customer_id: CustomerId, feature: Feature) -> None:
        """Read a counter again, unless another thread just did."""
        key = counter_key(acting.tenant_id, customer_id, feature.id)
        with self._locks[hash((customer_id, feature.id)) % _STRIPES]:
            with self.db.transaction(acting) as conn:
                clock = clock_of(conn, self.clock, acting.tenant_id)
                held, now = find_counter(conn, key), clock.now()
            is_real = clock is self.clock
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
            with self.db.transaction(acting) as conn:
                renew_counter(conn, measured)


def _sendable(clock: Clock) -> datetime:
    """The tenant's time. Raises `BusinessLogicError` where the log takes no event of it."""
    now = clock.now()
    if now > clock.machine().now() + AHEAD_MAX:
        raise BusinessLogicError(
            f"the sandbox's clock stands at {now.isoformat()}, more than 24 hours ahead of real"
            " time: the log takes no events from there; begin a sandbox further in the past"
        )
    return now


def _refuse(measured: Measured) -> None:
    """Raise where the customer may not use the feature at all."""
    customer, feature = measured.customer.slug, measured.feature.slug
    if not measured.has_subscription:
        raise NoActiveSubscriptionError(
            f"customer: {customer!r} has no active subscription now; create one",
            customer=customer,
        )
    if measured.given is None or measured.given.subscription is None:
        raise FeatureNotGivenError(
            f"feature: nothing gives {feature!r} to customer {customer!r} now; sell it a plan or an"
            " add-on that does, or override it",
            customer=customer,
            feature=feature,
        )
