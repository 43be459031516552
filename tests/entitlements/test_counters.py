"""The arbiter against a plain model: events arrive, in any order, while callers reserve."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from psycopg import errors
from psycopg.types.json import Jsonb

import sql
from catalog.features import Feature, create_feature
from core.clock import SystemClock
from core.ids import SubscriptionId, new_uuid
from core.period import Period
from db.postgres import Connection, Database
from entitlements.burning import Burnt
from entitlements.counters import find_counter, renew_counter, reserve
from entitlements.errors import UsageLimitExceededError
from entitlements.given import Given
from entitlements.measuring import Measured, counter_key
from subscriptions.customers.customer import Customer, read_customer
from subscriptions.life.subscription import Subscription, find_subscription
from tests.plugins.database import database, database_url
from tests.subscriptions.world import NOW, apply, document
from usage.cut import Cut

__all__ = ["database", "database_url"]

LIMIT = 60
WINDOW = Period(NOW - timedelta(days=1), NOW + timedelta(days=1))


@dataclass
class Log:
    """Two partitions of (record or None, quantity): what a cut holds is their beginning."""

    parts: tuple[list[tuple[UUID | None, int]], list[tuple[UUID | None, int]]] = field(
        default_factory=lambda: ([], [])
    )

    def up_to(self, cut: tuple[int, int]) -> list[tuple[UUID | None, int]]:
        return [each for part, end in zip(self.parts, cut, strict=True) for each in part[:end]]


@dataclass(frozen=True)
class World:
    """A customer, what it bought, and a feature of it."""

    customer: Customer
    feature: Feature
    subscription: Subscription
    key: dict[str, Any]

    def measured(self, used: int, cut: tuple[int, int], seen: list[UUID], number: int) -> Measured:
        given = Given(Decimal(LIMIT), True, None, WINDOW, (), self.subscription)
        burnt = Burnt(Decimal(used), Decimal(0), max(Decimal(0), Decimal(LIMIT - used)))
        as_of = NOW + timedelta(seconds=number)
        ends = Cut({"1/0": cut[0], "1/1": cut[1]})
        return Measured(
            self.customer, self.feature, None, as_of, given, True, ends, burnt, Decimal(0),
            tuple(seen),
        )  # fmt: skip

    def write(self, conn: Connection, quantity: int, at: Any = NOW) -> UUID:
        """A record, as `usage/track` writes it."""
        record = new_uuid(SystemClock())
        row = {
            "id": record,
            "subscription_id": self.subscription.id,
            "usage_type": "calls",
            "quantity": Decimal(quantity),
            "start": WINDOW.start,
            "end": WINDOW.end,
            "subject": "contoso-chat",
            "event_type": "llm.request",
            "event_key": record.bytes,
            "data": "{}",
            "occurred_at": at,
            "created_at": at,
            "metadata": Jsonb({}),
        }
        conn.execute(sql.load("postgres/queries/insert_usage_record"), row | self.key)
        return record


@pytest.fixture
def world(database: Database) -> World:
    tenant = apply(database, document()).tenant_id
    with database.transaction() as conn:
        feature = create_feature(
            conn, SystemClock(), tenant, slug="calls", name="x", kind="metered", meter="tokens"
        )
        customer = read_customer(conn, tenant, "contoso")
        subscription = find_subscription(conn, tenant, "contoso-standard")
    key = counter_key(tenant, customer.id, feature.id)
    return World(customer, feature, subscription, key)


@pytest.mark.req("ENT-04", "ING-07")
def test_an_event_counts_once_as_usage_or_as_a_record(
    world: World, database: Database, seed: int
) -> None:
    rng, log = random.Random(seed), Log()
    unsent: list[tuple[UUID, int]] = []
    reserved = refused = 0
    held = (0, 0)
    with database.transaction() as conn:
        assert renew_counter(conn, world.measured(0, held, [], 0))
    for number in range(1, 400):
        note = f"--seed {seed}, step {number}"
        what = rng.choice(["reserve", "reserve", "arrive", "arrive", "direct", "renew"])
        if what == "direct" and rng.random() < 0.2:
            quantity = rng.choice([-3, -1, 1, 2])
            log.parts[rng.randrange(2)].append((None, quantity))
        elif what == "arrive" and unsent:
            record, quantity = unsent.pop(rng.randrange(len(unsent)))
            log.parts[rng.randrange(2)].append((record, quantity))
        elif what == "renew":
            # Some readers are behind: their cut is older than one that is known already.
            lengths = [len(part) for part in log.parts]
            cut = (rng.randint(0, lengths[0]), rng.randint(0, lengths[1]))
            events = log.up_to(cut)
            seen = [record for record, _ in events if record is not None]
            used = sum(quantity for _, quantity in events)
            with database.transaction() as conn:
                done = renew_counter(conn, world.measured(used, cut, seen, number))
            ahead = cut[0] >= held[0] and cut[1] >= held[1]
            assert done is ahead, note
            held = cut if done else held
        elif what == "reserve":
            quantity = rng.randint(1, 6)
            known = sum(each for record, each in log.up_to(held) if record is None)
            free = LIMIT - reserved - known
            with database.transaction() as conn:
                counter = find_counter(conn, world.key, lock=True)
                assert counter is not None
                if quantity > free:
                    with pytest.raises(UsageLimitExceededError) as refusal:
                        reserve(conn, world.key, counter, Decimal(quantity))
                    assert refusal.value.details["remaining"] == str(max(0, free)), note
                    refused += 1
                    continue
                standing = reserve(conn, world.key, counter, Decimal(quantity))
                record = world.write(conn, quantity)
            # All that was reserved, once, and what the cut holds beside it.
            reserved += quantity
            assert standing.used == reserved + known, note
            assert standing.remaining == LIMIT - reserved - known, note
            unsent.append((record, quantity))
    assert reserved > 10, f"--seed {seed}"
    assert refused > 10, f"--seed {seed}"


def test_a_counter_never_goes_back_to_what_was_read_before(
    world: World, database: Database
) -> None:
    with database.transaction() as conn:
        assert renew_counter(conn, world.measured(5, (3, 4), [], 10))
        assert not renew_counter(conn, world.measured(9, (4, 4), [], 9)), "it was read earlier"
        assert not renew_counter(conn, world.measured(9, (2, 9), [], 11)), "it lacks a position"
        counter = find_counter(conn, world.key)
        assert counter is not None
        assert (counter.used, counter.cut.offsets) == (Decimal(5), {"1/0": 3, "1/1": 4})
        assert renew_counter(conn, world.measured(9, (3, 4), [], 12))


def test_records_of_another_window_reserve_nothing_of_this_one(
    world: World, database: Database
) -> None:
    with database.transaction() as conn:
        renew_counter(conn, world.measured(0, (0, 0), [], 0))
        world.write(conn, 7, WINDOW.start)
        world.write(conn, 7, WINDOW.end - timedelta(microseconds=1))
        counter = find_counter(conn, world.key, lock=True)
        assert counter is not None
        assert reserve(conn, world.key, counter, Decimal(1)).used == 15
        later = counter.__class__(
            **{name: getattr(counter, name) for name in counter.__slots__}
            | {"window": Period(WINDOW.end, WINDOW.end + timedelta(days=1))}
        )
        assert reserve(conn, world.key, later, Decimal(1)).used == 1


@pytest.mark.req("ING-10")
def test_a_record_has_its_columns_and_a_subscription(world: World, database: Database) -> None:
    with database.transaction() as conn:
        columns = {
            row["column_name"]: row["data_type"]
            for row in conn.execute(
                "SELECT column_name, data_type FROM information_schema.columns"
                " WHERE table_schema = 'entitlements' AND table_name = 'usage_records'"
            )
        }
    assert {name: columns[name] for name in ("id", "subscription_id", "usage_type")} == {
        "id": "uuid",
        "subscription_id": "uuid",
        "usage_type": "text",
    }
    assert (columns["quantity"], columns["period"]) == ("numeric", "tstzrange")
    nowhere = replace(world.subscription, id=SubscriptionId(UUID(int=9)))
    with pytest.raises(errors.ForeignKeyViolation), database.transaction() as conn:
        replace(world, subscription=nowhere).write(conn, 1)
