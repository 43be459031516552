"""A new contract on its way into one transaction: its prices, its minimum, its row."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from psycopg.types.json import Jsonb

import sql
from catalog.plan_document import price_of
from catalog.plan_view import find_plan
from catalog.price_store import insert_price
from catalog.prices import PriceTerms, price_terms
from core.clock import Clock
from core.errors import ConflictError, ValidationError
from core.ids import ContractId, CustomerId, PlanId, TenantId, new_uuid
from core.refusals import located
from db.postgres import Connection
from rating.prices import Price
from subscriptions.contracts.body import CustomPriceEntry, NewContractBody
from subscriptions.contracts.checks import check_within
from subscriptions.contracts.negotiated import CustomPrice, Minimum, Negotiated
from subscriptions.customers.customer import Customer
from subscriptions.life.subscription import Subscription


class Writing:
    """A contract on its way into one transaction."""

    def __init__(
        self,
        conn: Connection,
        clock: Clock,
        customer: Customer,
        subscription: Subscription | None,
        body: NewContractBody,
    ) -> None:
        self._conn = conn
        self._clock = clock
        self._customer = customer
        self._subscription_id = None if subscription is None else subscription.id
        self._currency = customer.currency if subscription is None else subscription.currency
        self._body = body
        self._start = body.start or clock.now()
        self.contract_id = ContractId(new_uuid(clock))

    def negotiated(self) -> Negotiated:
        """What the contract says; its prices are written down."""
        versions = self._versions()
        prices = []
        for position, entry in enumerate(self._body.prices):
            with located(f"prices[{position}]"):
                versions[entry.key] += 1
                prices.append(self._price(entry, versions[entry.key]))
        return Negotiated(tuple(prices), self._minimums())

    def write(self, negotiated: Negotiated) -> None:
        """Write the contract down. Raises `ConflictError` for a slug in use."""
        body, now, tenant_id = self._body, self._clock.now(), self._customer.tenant_id
        row = {
            "id": self.contract_id,
            "tenant_id": tenant_id,
            "slug": body.slug,
            "name": body.name or body.slug,
            "customer_id": self._customer.id,
            "subscription_id": self._subscription_id,
            "minimum_price_id": next((m.price.price_id for m in negotiated.minimums), None),
            "expires": body.expires,
            "metadata": Jsonb(dict(body.metadata)),
            "start": self._start,
            "end": body.end,
            "now": now,
        }
        if not self._conn.execute(sql.load("postgres/queries/insert_contract"), row).rowcount:
            raise ConflictError(
                f"slug: the contract {body.slug!r} exists already; choose another", field="slug"
            )
        for own in negotiated.prices:
            insert_enterprise_price(self._conn, self._clock, tenant_id, self._customer.id, own, now)

    def _versions(self) -> defaultdict[str, int]:
        """How many prices of its own each line of the customer has had."""
        rows = self._conn.execute(
            sql.load("postgres/queries/count_enterprise_prices"),
            {"tenant_id": self._customer.tenant_id, "customer_id": self._customer.id},
        )
        return defaultdict(int, {row["line_key"]: row["prices"] for row in rows})

    def _price(self, entry: CustomPriceEntry, version: int) -> CustomPrice:
        plan_id = self._plan_of(entry)
        with located("price"):
            terms = price_of(entry.price, self._currency)
        start, end = entry.start or self._start, entry.end or self._body.end
        check_within((self._start, self._body.end), (start, end))
        return CustomPrice(
            contract_id=self.contract_id,
            contract=self._body.slug,
            subscription_id=self._subscription_id,
            plan_id=plan_id,
            key=entry.key,
            price=self._inserted(terms, version),
            price_version=version,
            start=start,
            end=end,
        )

    def _plan_of(self, entry: CustomPriceEntry) -> PlanId | None:
        """The plan that is named. Raises `ValidationError` where no plan has such a line."""
        tenant_id = self._customer.tenant_id
        plan = None if entry.plan is None else find_plan(self._conn, tenant_id, entry.plan).id
        values = {"tenant_id": tenant_id, "keys": [entry.key], "plan_id": plan}
        if not self._conn.execute(sql.load("postgres/queries/select_line_keys"), values).rowcount:
            where = "no plan" if entry.plan is None else f"plan {entry.plan!r} never"
            raise ValidationError(
                f"key: {where} has a line called {entry.key!r}; check its spelling", field="key"
            )
        return plan

    def _minimums(self) -> tuple[Minimum, ...]:
        if self._body.minimum is None:
            return ()
        assert self._subscription_id is not None, "checked before"
        with located("minimum"):
            terms = price_terms("flat", self._currency.code, {"amount": self._body.minimum})
        return (
            Minimum(
                contract_id=self.contract_id,
                contract=self._body.slug,
                name=self._body.name or self._body.slug,
                subscription_id=self._subscription_id,
                price=self._inserted(terms, 1),
                price_version=1,
                start=self._start,
                end=self._body.end,
            ),
        )

    def _inserted(self, terms: PriceTerms, version: int) -> Price:
        tenant_id = self._customer.tenant_id
        price_id = insert_price(self._conn, self._clock, tenant_id, terms, version)
        return terms.as_price(str(price_id))


def insert_enterprise_price(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    customer_id: CustomerId,
    own: CustomPrice,
    recorded_at: datetime,
) -> None:
    """Write down that a line has a price of its own, known from `recorded_at` on."""
    conn.execute(
        sql.load("postgres/queries/insert_enterprise_price"),
        {
            "id": new_uuid(clock),
            "tenant_id": tenant_id,
            "contract_id": own.contract_id,
            "customer_id": customer_id,
            "plan_id": own.plan_id,
            "key": own.key,
            "price_id": own.price.price_id,
            "start": own.start,
            "end": own.end,
            "now": recorded_at,
        },
    )
