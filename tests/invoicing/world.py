"""A tenant with customers in Postgres, and usage that needs no ClickHouse: for billing-run tests.

`python -m tests.invoicing.world URL TENANT AS_OF BLOCK CRASH_AT` closes that tenant in a process of
its own and ends it with `os._exit(9)` at checkpoint number CRASH_AT (0 = never).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid5

import polars as pl
import psycopg
from psycopg.types.json import Jsonb

from catalog.meters import MeterDefinition
from core.clock import ManualClock
from core.ids import TenantId
from core.period import Period
from db.postgres import Database
from invoicing.billing_run import BillingRunner, Closed
from invoicing.tenants import BillingTenant, billing_tenants
from tests.invoicing.builders import OneQuantity, period_usage_frame
from usage.cut import Cut

KILLED = 9
OCTOBER = datetime(2023, 10, 1, tzinfo=UTC)
NOVEMBER = datetime(2023, 11, 1, tzinfo=UTC)
DECEMBER = datetime(2023, 12, 1, tzinfo=UTC)
NOW = datetime(2024, 1, 15, tzinfo=UTC)
CUT = Cut({"1/0": 10, "1/1": 20})

_NAMES = UUID(int=7)
_METADATA = {
    "invoicing": {
        "seller": {"name": "Nordlicht Inference GmbH", "address": ["20457 Hamburg"]},
        "payment_days": 14,
    }
}
_STATEMENTS = {
    "tenant": """
        INSERT INTO identity.tenants (id, slug, name, created_at, metadata)
        VALUES (%(id)s, %(slug)s, %(slug)s, %(now)s, %(metadata)s)""",
    "meter": """
        INSERT INTO catalog.meters (id, tenant_id, slug, name, event_types, definition,
            catalog_version, valid_from, recorded_from)
        SELECT %(id)s, %(tenant_id)s, 'tokens', 'Tokens', '{llm}',
            '{"event_types": ["llm"], "aggregation": "sum", "value": "tokens"}',
            1 + count(*), %(now)s, %(now)s FROM catalog.meters""",
    "plan": """
        INSERT INTO catalog.pricing_plans (id, tenant_id, slug, name, valid_from, recorded_from)
        VALUES (%(id)s, %(tenant_id)s, 'payg', 'Pay as you go', %(now)s, %(now)s)""",
    "version": """
        INSERT INTO catalog.plan_versions (id, tenant_id, plan_id, number, currency, content_hash,
            valid_from, recorded_from, archived_at)
        VALUES (%(id)s, %(tenant_id)s, %(plan_id)s, %(number)s, 'EUR', 'x', %(now)s, %(now)s,
            %(archived_at)s)""",
    "price": """
        INSERT INTO catalog.prices (id, tenant_id, model, currency, parameters, rounding,
            content_hash, version, valid_from, recorded_from)
        VALUES (%(id)s, %(tenant_id)s, %(model)s, %(currency)s, %(parameters)s,
            'half_away_from_zero', %(hash)s, 1, %(now)s, %(now)s)""",
    "card": """
        INSERT INTO catalog.rate_cards (id, tenant_id, plan_version_id, position, key, name,
            meter_id, price_id, cadence, timing, valid_from, recorded_from)
        VALUES (%(id)s, %(tenant_id)s, %(version_id)s, %(position)s, %(key)s, %(key)s,
            %(meter_id)s, %(price_id)s, 'monthly', 'in_arrears', %(now)s, %(now)s)""",
    "customer": """
        INSERT INTO subscriptions.customers (id, tenant_id, slug, name, time_zone, currency,
            valid_from, recorded_from)
        VALUES (%(id)s, %(tenant_id)s, %(slug)s, %(slug)s, 'UTC', 'EUR', %(now)s, %(now)s)""",
    "subject": """
        INSERT INTO subscriptions.subjects (id, tenant_id, customer_id, subject, valid_from,
            recorded_from)
        VALUES (%(id)s, %(tenant_id)s, %(customer_id)s, %(slug)s, %(now)s, %(now)s)""",
    "subscription": """
        INSERT INTO subscriptions.subscriptions (id, tenant_id, slug, customer_id, plan_id,
            plan_version_id, status, billing_cycle, currency, time_zone, anchor_at, start_at,
            period_start, period_end, valid_from, recorded_from)
        VALUES (%(id)s, %(tenant_id)s, %(slug)s, %(customer_id)s, %(plan_id)s, %(version_id)s,
            'ACTIVE', 'monthly', 'EUR', 'UTC', %(start)s, %(start)s, %(start)s, %(end)s, %(now)s,
            %(now)s)""",
    "terms": """
        INSERT INTO subscriptions.subscription_terms (id, tenant_id, subscription_id,
            plan_version_id, valid_from, recorded_from)
        VALUES (%(id)s, %(tenant_id)s, %(subscription_id)s, %(version_id)s, %(start)s, %(now)s)""",
}


def named(tenant: str, *names: object) -> UUID:
    """An id of the test world, found again by its names."""
    return uuid5(_NAMES, "/".join(map(str, (tenant, *names))))


@dataclass(frozen=True, slots=True)
class CountingUsage(OneQuantity):
    """Every subject `c<n>` used n + 0.5 tokens in each period: what it did is all in its name."""

    cuts: list[Cut] = field(default_factory=lambda: [CUT])

    def cut(self) -> Cut:
        return self.cuts[0]

    def period_usage(
        self,
        tenant_id: TenantId,
        meters: Sequence[MeterDefinition],
        period: Period,
        cut: Cut,
        subjects: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        del tenant_id, period, cut
        assert subjects is not None
        rows = [
            (str(meter.id), subject, Decimal(f"{subject[1:]}.5"), 2, 0)
            for meter in meters
            for subject in subjects
        ]
        return period_usage_frame(rows)


def found_tenant(url: str, slug: str, customers: int, broken: Sequence[int] = ()) -> None:
    """A tenant whose customers c0, c1, … pay 10.00 and 0.01 per token, from October 2023 on.

    c0 and every third starts in October, the others in November. The plan of the `broken` ones has
    a price in another currency.
    """
    tenant_id = named(slug)
    plan_id, meter_id = named(slug, "plan"), named(slug, "meter")
    shared = {"tenant_id": tenant_id, "plan_id": plan_id, "now": OCTOBER}
    with psycopg.connect(url) as conn:

        def insert(what: str, **values: object) -> None:
            conn.execute(_STATEMENTS[what], shared | values)

        insert("tenant", id=tenant_id, slug=slug, metadata=Jsonb(_METADATA))
        insert("meter", id=meter_id)
        insert("plan", id=plan_id)
        for number, currency in ((1, "EUR"), (2, "USD")):
            version_id = named(slug, "version", number)
            archived_at = OCTOBER if number == 1 else None
            insert("version", id=version_id, number=number, archived_at=archived_at)
            cards = (("fee", "flat", "10.00", None), ("tokens", "per_unit", "0.01", meter_id))
            for position, (key, model, amount, meter) in enumerate(cards):
                price_id = named(slug, "price", number, key)
                price = {"model": model, "currency": currency, "hash": "ab" * 32}
                insert("price", id=price_id, parameters=Jsonb({"amount": amount}), **price)
                card = {"position": position, "key": key, "meter_id": meter, "price_id": price_id}
                insert("card", id=named(slug, "card", number, key), version_id=version_id, **card)
        for index in range(customers):
            customer = {"customer_id": named(slug, "customer", index), "slug": f"c{index}"}
            start, end = (NOVEMBER, DECEMBER) if index % 3 else (OCTOBER, NOVEMBER)
            version_id = named(slug, "version", 2 if index in broken else 1)
            insert("customer", id=customer["customer_id"], slug=f"c{index}")
            insert("subject", id=named(slug, "subject", index), **customer)
            insert(
                "subscription",
                id=named(slug, "subscription", index),
                version_id=version_id,
                start=start,
                end=end,
                **customer,
            )
            insert(
                "terms",
                id=named(slug, "terms", index),
                subscription_id=named(slug, "subscription", index),
                version_id=version_id,
                start=start,
            )


def mend(url: str, slug: str) -> None:
    """Give the broken customers the plan that works."""
    with psycopg.connect(url) as conn:
        conn.execute(
            """WITH broken AS (
                   UPDATE subscriptions.subscription_terms SET recorded_to = %(now)s
                   WHERE plan_version_id = %(broken)s RETURNING *
               )
               INSERT INTO subscriptions.subscription_terms (id, tenant_id, subscription_id,
                   plan_version_id, valid_from, recorded_from)
               SELECT gen_random_uuid(), tenant_id, subscription_id, %(whole)s, valid_from, %(now)s
               FROM broken""",
            {"now": NOW, "whole": named(slug, "version", 1), "broken": named(slug, "version", 2)},
        )


@contextmanager
def tenant_of(url: str, slug: str) -> Iterator[tuple[Database, BillingTenant]]:
    with Database(url) as db:
        with db.transaction() as conn:
            [tenant] = billing_tenants(conn, slug)
        yield db, tenant


def close(
    url: str, slug: str, as_of: datetime = DECEMBER, *, block: int = 2, crash_at: int = 0
) -> list[Closed]:
    """Close a tenant; end the process at checkpoint number `crash_at`."""
    reached = 0

    def checkpoint(name: str) -> None:
        nonlocal reached
        reached += 1
        if reached == crash_at:
            sys.stdout.write(name)
            sys.stdout.flush()
            os._exit(KILLED)

    with tenant_of(url, slug) as (db, tenant):
        runner = BillingRunner(
            db, CountingUsage(), ManualClock(NOW), block_customers=block, checkpoint=checkpoint
        )
        return runner.close(tenant, as_of)


Summary = tuple[str | None, str, datetime, str, int, Mapping[str, int]]


def summary(url: str, slug: str) -> list[Summary]:
    """What was billed, comparable between tenants: number, buyer, period, status, total, lines."""
    from invoicing.store import select_invoices

    with tenant_of(url, slug) as (db, tenant), db.transaction() as conn:
        invoices = select_invoices(conn, tenant_id=tenant.tenant_id)
    return [
        (
            invoice.number,
            invoice.buyer["name"],
            invoice.period.start,
            invoice.status,
            invoice.total_minor,
            {line.line_key: line.amount_minor for line in invoice.lines},
        )
        for invoice in invoices
    ]


def main() -> None:
    url, slug, as_of, block, crash_at = sys.argv[1:]
    close(url, slug, datetime.fromisoformat(as_of), block=int(block), crash_at=int(crash_at))


if __name__ == "__main__":
    main()
