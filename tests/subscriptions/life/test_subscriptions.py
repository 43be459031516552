"""Subscriptions: one meaning per slug, one price per meter, one currency, one tenant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest

from core.errors import BusinessLogicError, ConflictError, ValidationError
from db.postgres import Database
from subscriptions.commands import Cancel, Reactivate
from tests.subscriptions.operating import JANUARY, open_desk
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


@pytest.mark.parametrize(
    ("text", "stored", "end"),
    [
        ("daily", "daily", datetime(2023, 11, 1, 23, tzinfo=UTC)),
        ("every 2 weeks", "every 2 weeks", datetime(2023, 11, 14, 23, tzinfo=UTC)),
        ("every 1 quarters", "quarterly", datetime(2024, 1, 31, 23, tzinfo=UTC)),
        ("yearly", "yearly", datetime(2024, 10, 31, 23, tzinfo=UTC)),
        ("every 120 months", "every 120 months", datetime(2033, 10, 31, 23, tzinfo=UTC)),
    ],
)
def test_a_subscription_has_any_interval(
    database: Database, text: str, stored: str, end: datetime
) -> None:
    content = document(subscriptions=[subscription(billing_cycle=text)])
    apply(database, content)
    row = row_of(database)
    assert (row["billing_cycle"], row["period_end"]) == (stored, end)
    assert apply(database, content).changes == []


def test_an_interval_is_named_when_it_is_none_and_final_when_it_is_one(database: Database) -> None:
    with pytest.raises(ValidationError, match=r"^subscriptions\[0\]\.billing_cycle: write daily"):
        apply(database, document(subscriptions=[subscription(billing_cycle="fortnightly")]))
    apply(database, document())
    with pytest.raises(ConflictError, match=r"billing_cycle: .* has monthly, for ever"):
        apply(database, document(subscriptions=[subscription(billing_cycle="yearly")]))


def test_an_anchor_in_the_hour_that_is_shown_twice_is_applied_again(database: Database) -> None:
    content = document(subscriptions=[subscription(anchor=datetime(2023, 10, 29, 2, 30))])  # noqa: DTZ001 - a wall time of the file
    apply(database, content)
    assert row_of(database)["anchor_at"] == datetime(2023, 10, 29, 0, 30, tzinfo=UTC)
    assert apply(database, content).changes == []


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
    desk = open_desk(database)
    desk.subscribe("first")
    with pytest.raises(ConflictError, match=r"'first' and 'second'.*'tokens'"):
        desk.subscribe("second", plan="dearer")
    later = desk.at(JANUARY + timedelta(days=40))
    later.do(Cancel("now"), "first")
    with pytest.raises(ConflictError, match="'first' and 'second'"):
        later.subscribe("second", plan="dearer", start=JANUARY)
    later.subscribe("second", plan="dearer")
    with pytest.raises(ConflictError, match="'second' and 'first'"):
        later.do(Reactivate(), "first")
    assert later.find("first").standing.status == "CANCELED"


def test_two_that_own_other_subjects_may_price_one_meter(database: Database) -> None:
    desk = open_desk(database)
    desk.subscribe("first", subjects=["one", "two"])
    desk.subscribe("second", plan="dearer", subjects=["three"])
    for subjects in (None, ["two", "four"]):
        with pytest.raises(ConflictError, match="'first' and 'third'"):
            desk.subscribe("third", plan="dearer", subjects=subjects)


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
