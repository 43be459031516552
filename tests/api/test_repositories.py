"""One repository for each entity, and all of them keep the same contract on the real Postgres."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Protocol
from uuid import UUID

import pytest

from catalog.features import create_feature, find_feature, page_of_features
from catalog.meter_register import find_meter, page_of_meters, register_meter
from catalog.plan_catalog import PlanLabels, create_plan
from catalog.plan_view import find_plan, page_of_plans
from core.acting import Acting
from core.clock import Clock
from core.errors import ConflictError, NotFoundError
from core.ids import TenantId, parse_id
from db.outbox import changes_after, last_position
from db.postgres import Connection, Database, Role
from identity.tenants import ensure_tenant
from subscriptions.contracts.body import parse_contract
from subscriptions.contracts.contract import find_contract, page_of_contracts
from subscriptions.contracts.register import create_contract
from subscriptions.customers.customer import page_of_customers, read_customer
from subscriptions.customers.facts import NewCustomer
from subscriptions.customers.register import create_customer
from subscriptions.life.new_body import NewSubscriptionBody
from subscriptions.life.subscription import find_subscription, page_of_subscriptions
from tests import sources
from tests.plugins.database import do
from tests.sql.test_contexts import _queries, _tables
from tests.subscriptions.operating import Desk, open_desk

ELSEWHERE: Final = {
    "catalog.pricing_plans": "plans of set-up files are written by what makes their versions",
    "entitlements.usage_records": "counters mark the records whose events the log has shown",
    "identity.tenants": "limits are columns of the tenant, with rules of their own",
    "invoicing.invoices": "all drafts of a run are numbered by one statement",
    "invoicing.received_groups": "carrying brings groups, joining puts them onto invoices",
    "subscriptions.contracts": "a contract and its prices are written as one",
    "subscriptions.enterprise_pricing": "a contract and its prices are written as one",
    "subscriptions.subscriptions": "billing moves the period on, and knows nothing else of it",
}
"""Tables that two modules of their package write, and why."""


class Resource(Protocol):
    """What repositories keep."""

    def as_resource(self) -> dict[str, Any]:
        """As it is shown."""


@dataclass(frozen=True)
class Repository:
    """What each can do: make one, find it by its name, list from after one of them on."""

    entity: str
    create: Callable[[Connection, Clock, TenantId, str], Resource]
    find: Callable[[Connection, TenantId, str], Resource]
    page: Callable[[Connection, TenantId, Resource | None, int], Sequence[Resource]]


def _slug(last: Resource | None) -> str:
    return "" if last is None else str(last.as_resource()["slug"])


def _id(last: Resource | None) -> UUID | None:
    return None if last is None else parse_id("cus", last.as_resource()["id"])


REPOSITORIES: Final = [
    Repository(
        "meter",
        lambda conn, clock, tenant, slug: register_meter(
            conn, clock, tenant, {"slug": slug, "event_type": "t", "aggregation": "count"}
        ),
        find_meter,
        lambda conn, tenant, last, limit: page_of_meters(
            conn,
            tenant,
            after=0 if last is None else last.as_resource()["catalog_version"],
            limit=limit,
        ),
    ),
    Repository(
        "feature",
        lambda conn, clock, tenant, slug: create_feature(
            conn, clock, tenant, slug=slug, name=slug, kind="boolean"
        ),
        find_feature,
        lambda conn, tenant, last, limit: page_of_features(
            conn, tenant, after=_slug(last), limit=limit
        ),
    ),
    Repository(
        "plan",
        lambda conn, clock, tenant, slug: create_plan(conn, clock, tenant, slug, PlanLabels(slug)),
        find_plan,
        lambda conn, tenant, last, limit: page_of_plans(
            conn, tenant, after=_slug(last), limit=limit
        ),
    ),
    Repository(
        "customer",
        lambda conn, clock, tenant, slug: create_customer(
            conn, clock, tenant, NewCustomer(slug=slug, currency="USD")
        ),
        read_customer,
        lambda conn, tenant, last, limit: page_of_customers(
            conn, tenant, after=_id(last), limit=limit
        ),
    ),
    Repository(
        "subscription",
        lambda conn, clock, tenant, slug: NewSubscriptionBody(
            slug=slug, customer="contoso", plan="standard", subjects=[f"subject-{slug}"]
        ).create(conn, clock, tenant),
        find_subscription,
        lambda conn, tenant, last, limit: page_of_subscriptions(
            conn, tenant, after=_slug(last), limit=limit
        ),
    ),
    Repository(
        "contract",
        lambda conn, clock, tenant, slug: create_contract(
            conn, clock, tenant, parse_contract({"slug": slug, "customer": "contoso"})
        ),
        find_contract,
        lambda conn, tenant, last, limit: page_of_contracts(
            conn, tenant, after=_slug(last), limit=limit
        ),
    ),
]


@pytest.fixture
def desk(database: Database) -> Desk:
    return open_desk(database)


@pytest.mark.req("OUT-16")
@pytest.mark.parametrize("kept", REPOSITORIES, ids=lambda each: each.entity)
def test_every_repository_keeps_the_contract(kept: Repository, desk: Desk) -> None:
    """As the API's role: what is made is found, listed in order, told once, and nobody else's."""
    tenant, clock = desk.tenant_id, desk.clock
    other = do(desk.database, ensure_tenant, clock, "zeta", "Zeta")[0].id
    with Database(desk.database._url, Role.API) as api:
        with api.transaction(Acting(tenant)) as conn:
            there = [each.as_resource()["id"] for each in kept.page(conn, tenant, None, 1_000)]
            before = last_position(conn, tenant)
        made: list[dict[str, Any]] = []
        for slug in ("k-a", "k-b", "k-c"):
            with api.transaction(Acting(tenant)) as conn:
                made.append(kept.create(conn, clock, tenant, slug).as_resource())
            clock.advance(timedelta(milliseconds=1))

        with api.transaction(Acting(tenant)) as conn:
            for each in made:
                assert kept.find(conn, tenant, each["slug"]).as_resource() == each
            with pytest.raises(NotFoundError):
                kept.find(conn, tenant, "nobody")
            pages: list[dict[str, Any]] = []
            last: Resource | None = None
            while page := kept.page(conn, tenant, last, 2):
                assert len(page) <= 2
                last = page[-1]
                pages += [found.as_resource() for found in page]
            assert [each for each in pages if each["id"] not in there] == made
            told = changes_after(conn, tenant, before, 100, [f"{kept.entity}.created"]).events
            assert [event.payload for event in told] == made

        with pytest.raises(ConflictError), api.transaction(Acting(tenant)) as conn:
            kept.create(conn, clock, tenant, "k-a")
        with api.transaction(Acting(other)) as conn:
            assert kept.page(conn, other, None, 10) == []
            with pytest.raises(NotFoundError):
                kept.find(conn, other, "k-a")


@pytest.mark.req("OUT-16")
def test_every_table_is_written_by_one_module() -> None:
    writers = defaultdict[str, set[str]](set)
    for path, _ in sources.python(*sources.packages() - {"benchmarks"}):
        for node in ast.walk(sources.tree(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                query = _queries().get(node.value.removeprefix("postgres/queries/"), "")
                for table in _tables(query)[0]:
                    writers[table].add(str(path))
    assert len(writers) > 25
    several = {table for table, modules in writers.items() if len(modules) > 1}
    assert several == ELSEWHERE.keys()
