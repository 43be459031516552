"""Plan versions: final, numbered without a gap, made only when a line changes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from catalog.meters import create_meter
from catalog.plan_terms import PlanTerms, RateCard
from catalog.plan_view import find_version
from catalog.plans import PlanVersion, ensure_plan_version
from catalog.prices import price_terms
from core.clock import ManualClock
from core.errors import NotFoundError, ValidationError
from core.ids import MeterId, TenantId
from core.money import Currency
from db.postgres import Connection, Database
from identity.tenants import ensure_tenant

USD = Currency("USD")
START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def tenant_id(database: Database, clock: ManualClock) -> TenantId:
    with database.transaction() as conn:
        return ensure_tenant(conn, clock, "acme", "Acme")[0].id


@pytest.fixture
def meter_id(database: Database, clock: ManualClock, tenant_id: TenantId) -> MeterId:
    with database.transaction() as conn:
        return create_meter(
            conn,
            clock,
            tenant_id,
            slug="tokens",
            name="Tokens",
            event_type="llm",
            aggregation="sum",
            value="tokens",
        ).id


def fee(amount: str = "99.00") -> RateCard:
    return RateCard("platform", "Platform fee", price_terms("flat", "USD", {"amount": amount}))


def tokens(meter_id: MeterId, amount: str = "3.00", key: str = "tokens") -> RateCard:
    price = price_terms("per_unit", "USD", {"amount": amount, "per": 1_000_000})
    return RateCard(key, "Tokens", price, meter_id)


def ensure(
    conn: Connection, clock: ManualClock, tenant_id: TenantId, *cards: RateCard, name: str = "Std"
) -> tuple[PlanVersion, bool]:
    return ensure_plan_version(
        conn, clock, tenant_id, slug="std", name=name, terms=PlanTerms(USD, cards)
    )


def prices_by_version(conn: Connection) -> list[tuple[int, str, int, dict[str, str]]]:
    rows: list[dict[str, Any]] = conn.execute(
        "SELECT v.number, c.key, p.version, p.parameters FROM catalog.rate_cards c"
        " JOIN catalog.plan_versions v ON v.id = c.plan_version_id"
        " JOIN catalog.prices p ON p.id = c.price_id ORDER BY v.number, c.position"
    ).fetchall()
    return [(row["number"], row["key"], row["version"], row["parameters"]) for row in rows]


def test_the_same_lines_are_the_same_version(
    database: Database, clock: ManualClock, tenant_id: TenantId, meter_id: MeterId
) -> None:
    with database.transaction() as conn:
        first = ensure(conn, clock, tenant_id, fee(), tokens(meter_id))
        again = ensure(conn, clock, tenant_id, fee("99"), tokens(meter_id, "3"))
        assert (first[0].number, first[1]) == (1, True)
        assert again == (first[0], False)


def test_a_changed_price_makes_a_version_and_keeps_the_other_lines_price(
    database: Database, clock: ManualClock, tenant_id: TenantId, meter_id: MeterId
) -> None:
    with database.transaction() as conn:
        ensure(conn, clock, tenant_id, fee(), tokens(meter_id, "3.00"))
        clock.advance(timedelta(days=1))
        second, created = ensure(conn, clock, tenant_id, fee(), tokens(meter_id, "2.50"))
        assert (second.number, created) == (2, True)
        assert prices_by_version(conn) == [
            (1, "platform", 1, {"amount": "99"}),
            (1, "tokens", 1, {"amount": "3", "per": "1000000"}),
            (2, "platform", 1, {"amount": "99"}),
            (2, "tokens", 2, {"amount": "2.5", "per": "1000000"}),
        ]
        count = conn.execute("SELECT count(*) AS n FROM catalog.prices").fetchone()
    assert count == {"n": 3}


def test_what_a_plan_costs_before_use_is_shown_with_its_history(
    database: Database, clock: ManualClock, tenant_id: TenantId, meter_id: MeterId
) -> None:
    with database.transaction() as conn:
        ensure(conn, clock, tenant_id, fee("99.00"), tokens(meter_id))
        clock.advance(timedelta(days=1))
        ensure(conn, clock, tenant_id, fee("120.00"), tokens(meter_id), name="Standard")
        plan = conn.execute("SELECT name, prices, valid_from FROM catalog.pricing_plans").fetchone()
        history = conn.execute(
            "SELECT name, prices, valid_from, isfinite(valid_to) AS valid_ended,"
            " isfinite(recorded_to) AS superseded"
            " FROM catalog.pricing_plans_history ORDER BY recorded_from"
        ).fetchall()
    assert plan is not None
    assert plan["prices"] == {"monthly": {"amount": "120", "currency": "USD"}}
    assert (plan["name"], plan["valid_from"]) == ("Standard", START + timedelta(days=1))
    before = {
        "name": "Std",
        "prices": {"monthly": {"amount": "99", "currency": "USD"}},
        "valid_from": START,
    }
    assert history == [
        before | {"valid_ended": False, "superseded": True},
        before | {"valid_ended": True, "superseded": False},
    ]


def test_versions_made_at_once_are_numbered_without_a_gap(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    def make(amount: int) -> None:
        with database.transaction() as conn:
            # The plan's own facts stay equal, so that only versions race.
            ensure(conn, clock, tenant_id, fee("1"), _extra(amount))

    def _extra(amount: int) -> RateCard:
        return RateCard("extra", f"Extra {amount}", price_terms("flat", "USD", {"amount": "1"}))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(make, range(8)))
    with database.transaction() as conn:
        rows = conn.execute("SELECT number FROM catalog.plan_versions ORDER BY number").fetchall()
    assert [row["number"] for row in rows] == list(range(1, 9))


@pytest.mark.parametrize("table", ["plan_versions", "rate_cards", "prices"])
@pytest.mark.parametrize(
    "change", ["UPDATE catalog.{} SET metadata = '{{}}'", "DELETE FROM catalog.{}"]
)
def test_what_was_sold_is_final(
    database: Database,
    clock: ManualClock,
    tenant_id: TenantId,
    meter_id: MeterId,
    table: str,
    change: str,
) -> None:
    with database.transaction() as conn:
        ensure(conn, clock, tenant_id, fee(), tokens(meter_id))
    with (
        pytest.raises(psycopg.IntegrityError, match="never changed"),
        database.transaction() as conn,
    ):
        conn.execute(change.format(table).encode())


def test_lines_that_contradict_each_other_are_refused(
    database: Database, clock: ManualClock, tenant_id: TenantId, meter_id: MeterId
) -> None:
    euro = RateCard("fee", "Fee", price_terms("flat", "EUR", {"amount": "1"}))
    for cards, field in [
        ((), "rate_cards"),
        ((fee(), fee("1")), "rate_cards"),
        ((tokens(meter_id), tokens(meter_id, key="more")), "rate_cards"),
        ((euro,), "currency"),
    ]:
        with pytest.raises(ValidationError, match=rf"^{field}: "), database.transaction() as conn:
            ensure(conn, clock, tenant_id, *cards)


def test_a_metered_price_needs_a_meter_and_a_flat_one_none(meter_id: MeterId) -> None:
    with pytest.raises(ValidationError, match="per_unit of line 'x' needs a meter"):
        RateCard("x", "X", price_terms("per_unit", "USD", {"amount": "1"}))
    with pytest.raises(ValidationError, match="flat of line 'x' must not have a meter"):
        RateCard("x", "X", price_terms("flat", "USD", {"amount": "1"}), meter_id)


def test_a_plan_of_another_tenant_is_not_found(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        other = ensure_tenant(conn, clock, "other", "Other")[0].id
        ensure(conn, clock, tenant_id, fee())
        with pytest.raises(NotFoundError, match="none called 'std'"):
            find_version(conn, other, "std", 1)
