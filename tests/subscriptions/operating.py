"""A tenant with plans and customers, and commands on its subscriptions at chosen instants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from core.acting import Acting
from core.clock import ManualClock
from core.ids import TenantId
from db.postgres import Database
from subscriptions.commands import Command
from subscriptions.customers.customer import find_customer
from subscriptions.life.checks import find_version
from subscriptions.life.create import NewSubscription, create_subscription
from subscriptions.life.operate import perform
from subscriptions.life.subscription import Subscription, find_subscription
from tests.subscriptions.world import apply, customer, document, meter, plan

JANUARY = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Desk:
    """Does things to subscriptions, at its clock's time."""

    database: Database
    clock: ManualClock
    tenant_id: TenantId

    def at(self, instant: datetime) -> Desk:
        """The same, at another time."""
        return Desk(self.database, ManualClock(instant), self.tenant_id)

    def subscribe(
        self, slug: str = "sub", *, plan: str = "standard", payer: str = "contoso", **changes: Any
    ) -> Subscription:
        """Subscribe a customer, from now on unless told otherwise."""
        new = NewSubscription(slug, **({"start": self.clock.now()} | changes))
        with self.database.transaction(Acting(self.tenant_id, "desk")) as conn:
            buyer = find_customer(conn, self.tenant_id, payer)
            version = find_version(conn, self.tenant_id, plan=plan)
            return create_subscription(conn, self.clock, buyer, version, new)

    def do(
        self,
        command: Command,
        slug: str = "sub",
        *,
        as_of: datetime | None = None,
        revision: int | None = None,
    ) -> Subscription:
        """Do something, now unless told otherwise."""
        with self.database.transaction(Acting(self.tenant_id, "desk")) as conn:
            return perform(
                conn, self.clock, self.tenant_id, slug, command, as_of=as_of, revision=revision
            )

    def find(self, slug: str = "sub") -> Subscription:
        """The subscription as it is stored."""
        with self.database.transaction(Acting(self.tenant_id), snapshot=True) as conn:
            return find_subscription(conn, self.tenant_id, slug)

    def version(self, plan: str, number: int | None = None) -> Any:
        """The id of a plan's version."""
        with self.database.transaction(Acting(self.tenant_id), snapshot=True) as conn:
            return find_version(conn, self.tenant_id, plan=plan, number=number).id


def open_desk(
    database: Database,
    now: datetime = JANUARY,
    dearer_phases: Sequence[dict[str, Any]] = (),
    **parts: Any,
) -> Desk:
    """Two plans that price different meters, a dearer one than the first, two customers."""
    standard, dearer = plan(), plan("dearer")
    dearer["rate_cards"][0]["price"]["amount"] = "199.00"
    dearer["phases"] = list(dearer_phases)
    for each in (standard, dearer):
        price = {"model": "per_unit", "amount": "9.00"}
        each["rate_cards"].append({"key": "seats", "name": "S", "price": price, "quantity": "1"})
    people = [customer(time_zone="UTC"), customer("fabrikam", time_zone="UTC")]
    content = document(
        **{
            "meters": [meter(), meter("images")],
            "plans": [standard, dearer, plan("pictures", ("images",))],
            "customers": people,
            "subscriptions": [],
        }
        | parts
    )
    return Desk(database, ManualClock(now), apply(database, content, now).tenant_id)
