"""What was agreed with a customer beside its plans: prices for its lines, minimums, each dated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sql
from catalog.price_store import price_of_row
from core.ids import ContractId, CustomerId, PlanId, SubscriptionId, TenantId
from core.money import Currency
from db.postgres import Connection
from rating.prices import Price


@dataclass(frozen=True, slots=True)
class CustomPrice:
    """The price that a line has in `[start, end)` in place of the plan's; `contract` is a slug.

    Of one subscription or all of the customer's, of one plan or any.
    """

    contract_id: ContractId
    contract: str
    subscription_id: SubscriptionId | None
    plan_id: PlanId | None
    key: str
    price: Price
    price_version: int
    start: datetime
    end: datetime | None

    def holds_for(
        self, subscription_id: SubscriptionId, plan_id: UUID | None, currency: Currency
    ) -> bool:
        """Whether a subscription to this plan, in this currency, ever has it."""
        mine = self.subscription_id in {None, subscription_id} and self.plan_id in {None, plan_id}
        return mine and self.price.currency == currency

    def holds(self, at: datetime) -> bool:
        """Whether it holds at an instant."""
        return self.start <= at and (self.end is None or at < self.end)

    def clashes(self, other: CustomPrice) -> bool:
        """Whether some line would have both at some instant, neither being the narrower one."""
        same = (self.key, self.plan_id) == (other.key, other.plan_id)
        same &= self.price.currency == other.price.currency
        return same and _both(self.subscription_id, other.subscription_id) and _meet(self, other)


@dataclass(frozen=True, slots=True)
class Minimum:
    """What a period of a subscription comes to at least, by its share of `[start, end)`.

    `price` is flat: the amount for a whole period.
    """

    contract_id: ContractId
    contract: str
    name: str
    subscription_id: SubscriptionId
    price: Price
    price_version: int
    start: datetime
    end: datetime | None

    def clashes(self, other: Minimum) -> bool:
        """Whether both hold for one subscription at some instant."""
        return self.subscription_id == other.subscription_id and _meet(self, other)


def _both(one: SubscriptionId | None, other: SubscriptionId | None) -> bool:
    return one is None or other is None or one == other


def _meet(one: CustomPrice | Minimum, other: CustomPrice | Minimum) -> bool:
    begins_before = one.end is None or other.start < one.end
    return begins_before and (other.end is None or one.start < other.end)


@dataclass(frozen=True, slots=True)
class Negotiated:
    """All that was agreed with one customer, in order of time."""

    prices: tuple[CustomPrice, ...] = ()
    minimums: tuple[Minimum, ...] = ()


NOTHING: Final = Negotiated()


def price_at(prices: Iterable[CustomPrice], key: str, at: datetime) -> CustomPrice | None:
    """The price of a line at an instant, of those that hold for its subscription and plan.

    One for the plan goes before one for any.
    """
    found = [each for each in prices if each.key == key and each.holds(at)]
    return max(found, key=lambda each: each.plan_id is not None, default=None)


def edges(prices: Iterable[CustomPrice], start: datetime, end: datetime | None) -> list[datetime]:
    """The instants in `[start, end)` from which lines have other prices; `start` is the first."""
    found = {at for each in prices for at in (each.start, each.end) if at is not None}
    return [start, *sorted(at for at in found if start < at and (end is None or at < end))]


def negotiated_with(
    conn: Connection, tenant_id: TenantId, customer_ids: Sequence[CustomerId]
) -> defaultdict[UUID, Negotiated]:
    """What was agreed with each of these customers, as it is known now."""
    values = {"tenant_id": tenant_id, "customer_ids": list(customer_ids)}
    prices: defaultdict[UUID, list[CustomPrice]] = defaultdict(list)
    for row in conn.execute(
        sql.load("postgres/queries/select_enterprise_pricing"), values | {"contract_ids": None}
    ):
        prices[row["customer_id"]].append(_price(row))
    minimums: defaultdict[UUID, list[Minimum]] = defaultdict(list)
    for row in conn.execute(sql.load("postgres/queries/select_contract_minimums"), values):
        minimums[row["customer_id"]].append(_minimum(row))
    found: defaultdict[UUID, Negotiated] = defaultdict(Negotiated)
    for customer_id in {*prices, *minimums}:
        mine = Negotiated(tuple(prices[customer_id]), tuple(minimums[customer_id]))
        found[customer_id] = mine
    return found


def _price(row: Mapping[str, Any]) -> CustomPrice:
    return CustomPrice(
        contract_id=ContractId(row["contract_id"]),
        contract=row["contract"],
        subscription_id=row["subscription_id"],
        plan_id=row["plan_id"],
        key=row["line_key"],
        price=price_of_row(row),
        price_version=row["price_version"],
        start=row["valid_from"],
        end=row["valid_to"],
    )


def _minimum(row: Mapping[str, Any]) -> Minimum:
    return Minimum(
        contract_id=ContractId(row["contract_id"]),
        contract=row["contract"],
        name=row["name"],
        subscription_id=row["subscription_id"],
        price=price_of_row(row),
        price_version=row["price_version"],
        start=row["valid_from"],
        end=row["valid_to"],
    )
