"""Subscriptions: one meaning per slug, one price per meter, one currency, one tenant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest

from core.errors import BusinessLogicError, ConflictError
from db.postgres import Database
from tests.subscriptions.world import NOW, apply, customer, document, meter, plan, subscription


def row_of(database: Database) -> dict[str, Any]:
    with database.transaction() as conn:
        row = conn.execute(
            "SELECT slug, status, billing_cycle, currency, time_zone, anchor_at, period_start,"
            " period_end, billed_until, plan_version_id FROM subscriptions.subscriptions"
        ).fetchone()
    assert row is not None
    return row


def test_a_subscription_starts_active_in_its_first_period(database: Database) -> None:
    ids = apply(database, document())
    start, end = datetime(2023, 10, 31, 23, tzinfo=UTC), datetime(2023, 11, 30, 23, tzinfo=UTC)
    assert row_of(database) == {
        "slug": "contoso-standard",
        "status": "ACTIVE",
        "billing_cycle": "monthly",
        "currency": "USD",
        "time_zone": "Europe/Berlin",
        "anchor_at": start,
        "period_start": start,
        "period_end": end,
        "billed_until": None,
        "plan_version_id": ids.plan_versions["standard"],
    }


def test_an_anchor_with_an_offset_is_that_instant(database: Database) -> None:
    anchor = datetime(2023, 11, 5, 9, 30, tzinfo=timezone(timedelta(hours=-5)))
    apply(database, document(subscriptions=[subscription(anchor=anchor)]))
    assert row_of(database)["anchor_at"] == datetime(2023, 11, 5, 14, 30, tzinfo=UTC)


def test_a_subscription_keeps_its_plan_version_and_its_zone(database: Database) -> None:
    first = apply(database, document())
    dearer = plan()
    dearer["rate_cards"][0]["price"]["amount"] = "120.00"
    changed = document(plans=[dearer], customers=[customer(time_zone="Asia/Tokyo")])
    anchor = datetime(2023, 11, 1, tzinfo=timezone(timedelta(hours=1)))
    changed["subscriptions"] = [subscription(anchor=anchor)]
    second = apply(database, changed, NOW + timedelta(days=1))
    assert second.plan_versions != first.plan_versions
    row = row_of(database)
    assert row["plan_version_id"] == first.plan_versions["standard"]
    assert row["time_zone"] == "Europe/Berlin"


def test_two_subscriptions_may_not_price_one_meter(database: Database) -> None:
    both = [subscription(), subscription(slug="contoso-more", plan="more")]
    overlapping = document(plans=[plan(), plan("more")], subscriptions=both)
    with pytest.raises(ConflictError, match=r"'contoso-standard' and 'contoso-more'.*'tokens'"):
        apply(database, overlapping)
    apply(
        database,
        document(
            meters=[meter(), meter("images")],
            plans=[plan(), plan("more", ("images",))],
            subscriptions=both,
        ),
    )


def test_after_an_ended_one_the_meter_is_free_again(database: Database) -> None:
    apply(database, document())
    with database.transaction() as conn:
        conn.execute(
            "UPDATE subscriptions.subscriptions"
            " SET status = 'CANCELED', ended_at = '2023-12-01T00:00Z', recorded_from = %s",
            (NOW + timedelta(seconds=1),),
        )
        history = conn.execute("SELECT status FROM subscriptions.subscriptions_history").fetchall()
    assert history == [{"status": "ACTIVE"}]
    again = subscription(slug="contoso-again", anchor=datetime(2023, 12, 1, tzinfo=UTC))
    apply(database, document(subscriptions=[again]), NOW + timedelta(days=1))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"customer": "fabrikam"}, "customer"),
        ({"plan": "more"}, "plan"),
        ({"anchor": datetime(2023, 11, 2, tzinfo=UTC)}, "anchor"),
    ],
)
def test_a_slug_keeps_its_meaning(database: Database, change: dict[str, Any], field: str) -> None:
    parts: dict[str, Any] = {
        "plans": [plan(), plan("more")],
        "customers": [customer(), customer("fabrikam")],
    }
    apply(database, document(**parts))
    with pytest.raises(ConflictError, match=rf"^subscriptions\[0\]\.{field}: .*another slug"):
        apply(database, document(**parts, subscriptions=[subscription(**change)]))


def test_plan_and_customer_share_a_currency(database: Database) -> None:
    with pytest.raises(BusinessLogicError, match=r"plan: .*USD.*'contoso' pays in EUR"):
        apply(database, document(customers=[customer(currency="EUR")]))


def test_nothing_points_across_tenants(database: Database) -> None:
    apply(database, document())
    apply(database, document(tenant={"slug": "other", "name": "Other"}))
    change = (
        "UPDATE subscriptions.subscriptions AS mine SET customer_id = theirs.customer_id,"
        " recorded_from = %s FROM subscriptions.subscriptions AS theirs"
        " WHERE theirs.tenant_id <> mine.tenant_id"
    )
    with pytest.raises(psycopg.errors.ForeignKeyViolation), database.transaction() as conn:
        conn.execute(change, (NOW + timedelta(days=1),))


@pytest.mark.parametrize("table", ["subscriptions", "customers"])
def test_facts_are_never_deleted_or_changed_without_a_record(
    database: Database, table: str
) -> None:
    apply(database, document())
    for statement in (
        f"UPDATE subscriptions.{table} SET time_zone = 'UTC'",
        f"DELETE FROM subscriptions.{table}",
    ):
        with pytest.raises(psycopg.IntegrityError), database.transaction() as conn:
            conn.execute(statement.encode())
