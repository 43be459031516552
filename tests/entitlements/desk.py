"""A customer with a hard limit, on a real Postgres; the log of events is a list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from catalog.features import create_feature, find_feature
from core.acting import Acting
from core.clock import ManualClock
from core.ids import TenantId, parse_id
from core.period import Period
from db.outbox import changes_after
from db.postgres import Connection, Database
from entitlements.bodies import NewHoldBody, TrackBody
from entitlements.burning import Burnt
from entitlements.given import Given
from entitlements.holding import Holding
from entitlements.measuring import Measured, Measuring
from entitlements.reserving import Reserving
from entitlements.tracking import Tracking
from subscriptions.customers.customer import read_customer
from subscriptions.life.subscription import find_subscription
from tests.subscriptions.world import NOW, apply, document
from usage.cut import Cut
from usage.reader import UsageReader

LIMIT = 60
Json = dict[str, Any]


def unrepeated(_: Connection, perform: Callable[[], Json]) -> Json:
    return perform()


def no_reader() -> UsageReader:
    raise AssertionError("the log is a list")


@dataclass(frozen=True)
class Log(Measuring):
    """Reads a list of (record or "", quantity) in place of the log, up to its end."""

    events: list[tuple[str, int]] = field(default_factory=list)
    limits: list[int] = field(default_factory=lambda: [LIMIT])
    window: timedelta = timedelta(days=365)

    def measure(self, acting: Acting, customer: str, feature: str) -> Measured:
        as_of = self.clock.now()
        with self.db.transaction(acting) as conn:
            payer = read_customer(conn, acting.tenant_id, customer)
            found = find_feature(conn, acting.tenant_id, feature)
            subscription = find_subscription(conn, acting.tenant_id, "contoso-standard")
        turns = (as_of - NOW) // self.window
        window = Period(NOW + turns * self.window, NOW + (turns + 1) * self.window)
        used, limit = sum(quantity for _, quantity in self.events), self.limits[-1]
        room = max(Decimal(0), Decimal(limit - used))
        return Measured(
            payer,
            found,
            None,
            as_of,
            Given(Decimal(limit), True, None, window, (), subscription),
            True,
            Cut({"1/0": len(self.events)}),
            Burnt(Decimal(used), Decimal(0), room),
            seen=tuple(parse_id("usr", record) for record, _ in self.events if record),
        )


class Desk:
    """Holds, commits, releases and tracks for contoso, at the clock's time."""

    def __init__(self, database: Database, tenant_id: TenantId, feature: str) -> None:
        self.database, self.tenant_id, self.feature = database, tenant_id, feature
        self.acting = Acting(tenant_id)
        self.clock = ManualClock(NOW)
        self.log = Log(database, no_reader, self.clock)
        reserving = Reserving(self.log)
        self.holding, self.tracking = Holding(reserving), Tracking(reserving)
        with database.transaction() as conn:
            create_feature(
                conn,
                self.clock,
                tenant_id,
                slug=feature,
                name=feature,
                kind="metered",
                meter="tokens",
            )

    def hold(self, quantity: int, seconds: int = 60) -> Json:
        body = NewHoldBody(
            customer="contoso", feature=self.feature, quantity=quantity, expires_in=seconds
        )
        return self.holding.hold(self.acting, body, unrepeated)

    def use(self, quantity: int, subject: str = "contoso-chat") -> TrackBody:
        return TrackBody(subject=subject, feature=self.feature, quantity=quantity)

    def commit(self, hold: str, quantity: int, subject: str = "contoso-chat") -> Json:
        return self.holding.commit(self.acting, hold, self.use(quantity, subject), unrepeated)

    def release(self, hold: str) -> Json:
        return self.holding.release(self.acting, hold, unrepeated)

    def track(self, quantity: int) -> Json:
        return self.tracking.record(self.acting, self.use(quantity), unrepeated)

    def find(self, hold: str) -> Json:
        return self.holding.find(self.acting, hold)

    def wait(self, until: datetime) -> None:
        self.clock.advance(until - self.clock.now())

    def told(self) -> list[tuple[str, str]]:
        """What became of the feature, as the outbox has it: subject and id."""
        with self.database.transaction() as conn:
            found = changes_after(conn, self.tenant_id, 0, 10_000).events
        mine = [each for each in found if each.payload.get("feature") == self.feature]
        return [(each.subject, each.resource_id) for each in mine]

    def payloads(self, prefix: str) -> list[tuple[str, int, Json]]:
        with self.database.transaction() as conn:
            found = changes_after(conn, self.tenant_id, 0, 10_000).events
        return [
            (each.subject, each.version, dict(each.payload))
            for each in found
            if each.subject.startswith(prefix)
        ]


def open_desk(database: Database, feature: str = "calls") -> Desk:
    """A desk in an installation of its own."""
    return Desk(database, apply(database, document()).tenant_id, feature)
