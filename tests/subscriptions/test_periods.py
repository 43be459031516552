"""Due periods: all of them, once each, in order, page by page."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from threading import Barrier
from uuid import UUID

import pytest

from core.errors import ConflictError
from core.ids import SubscriptionId, TenantId
from core.period import Period
from db.postgres import Database
from subscriptions.commands import Cancel, Payment
from subscriptions.periods import DuePeriod, due_periods, mark_billed
from tests.subscriptions.operating import open_desk
from tests.subscriptions.world import apply, customer, document, plan, subscription

MARCH = datetime(2024, 3, 1, tzinfo=UTC)


def due(database: Database, as_of: datetime, tenant_id: TenantId | None = None) -> list[DuePeriod]:
    with database.transaction(snapshot=True) as conn:
        return due_periods(conn, tenant_id, as_of, None, 1000)


def bill(database: Database, periods: list[DuePeriod]) -> None:
    with database.transaction() as conn:
        mark_billed(conn, periods)


def test_a_period_is_due_from_its_end_on_in_the_customers_zone(database: Database) -> None:
    ids = apply(database, document())
    end = datetime(2023, 11, 30, 23, tzinfo=UTC)  # 1 December 00:00 in Berlin
    assert due(database, end - timedelta(microseconds=1)) == []
    (found,) = due(database, end)
    assert found.period == Period(datetime(2023, 10, 31, 23, tzinfo=UTC), end)
    assert (found.tenant_id, found.customer_id) == (ids.tenant_id, ids.customers["contoso"])
    assert found.subscription_id == ids.subscriptions["contoso-standard"]
    assert found.plan_version_id == ids.plan_versions["standard"]
    assert (found.currency.code, found.time_zone) == ("USD", "Europe/Berlin")
    assert (found.subjects, found.partial_subjects) == (("contoso-chat",), ())


def test_all_missed_periods_are_due_and_billed_ones_are_not(database: Database) -> None:
    apply(database, document())
    periods = due(database, MARCH)
    assert [each.period.start.month for each in periods] == [10, 11, 12, 1]  # 23:00Z the day before
    bill(database, periods[:2])
    assert due(database, MARCH) == periods[2:]
    bill(database, periods[2:])
    assert due(database, MARCH) == []
    (april,) = due(database, datetime(2024, 4, 1, tzinfo=UTC))
    assert april.period.start == periods[-1].period.end


def test_days_and_years_are_due_where_the_customers_calendar_ends_them(database: Database) -> None:
    daily = subscription(slug="daily", billing_cycle="daily", anchor=date(2024, 3, 30))
    yearly = subscription("fabrikam", billing_cycle="yearly", anchor=date(2024, 2, 29))
    people = [customer(), customer("fabrikam")]
    apply(database, document(customers=people, subscriptions=[daily, yearly]))
    periods = due(database, datetime(2024, 4, 1, 22, tzinfo=UTC))
    # 31 March has 23 hours in Berlin.
    assert [each.period.end - each.period.start for each in periods] == [
        timedelta(hours=hours) for hours in (24, 23, 24)
    ]
    bill(database, periods)
    assert due(database, datetime(2024, 4, 2, 21, tzinfo=UTC)) == []
    later = due(database, datetime(2025, 2, 27, 23, tzinfo=UTC))  # 28 February in Berlin
    (year,) = [each for each in later if each.period.end - each.period.start > timedelta(days=2)]
    assert year.period.start == datetime(2024, 2, 28, 23, tzinfo=UTC)
    assert year.period.end == datetime(2025, 2, 27, 23, tzinfo=UTC)


def test_periods_are_billed_in_order_and_once(database: Database) -> None:
    apply(database, document())
    first, second, third, _ = due(database, MARCH)
    for wrong in ([second], [first, third], [second, third]):
        with pytest.raises(ConflictError, match="not the next period"):
            bill(database, wrong)
    bill(database, [first])
    with pytest.raises(ConflictError, match="not the next period"):
        bill(database, [first])
    assert due(database, MARCH)[0] == second


def test_of_two_that_bill_at_once_one_is_refused(database: Database) -> None:
    apply(database, document())
    periods = due(database, MARCH)
    start = Barrier(2)

    def attempt(_: int) -> str:
        start.wait(timeout=10)
        try:
            bill(database, periods)
        except ConflictError:
            return "refused"
        return "billed"

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(attempt, range(2))) == ["billed", "refused"]


def test_a_subscription_that_is_gone_is_named(database: Database) -> None:
    apply(database, document())
    (found,) = due(database, datetime(2023, 12, 1, tzinfo=UTC))
    stray = replace(found, subscription_id=SubscriptionId(UUID(int=1)))
    with pytest.raises(ConflictError, match="there is none with this id"):
        bill(database, [stray])


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
def test_pages_of_any_size_hold_the_same_periods(database: Database, limit: int) -> None:
    names = [f"customer-{n}" for n in range(4)]
    apply(
        database,
        document(
            customers=[customer(name) for name in names],
            subscriptions=[
                subscription(name, anchor=date(2023, 9 + n, 1)) for n, name in enumerate(names)
            ],
        ),
    )
    whole = due(database, MARCH)
    assert len(whole) == 6 + 5 + 4 + 3
    assert [each.key for each in whole] == sorted(each.key for each in whole)
    pages: list[DuePeriod] = []
    with database.transaction(snapshot=True) as conn:
        while page := due_periods(conn, None, MARCH, pages[-1] if pages else None, limit):
            assert len(page) <= limit
            pages += page
    assert pages == whole


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_an_opening_at_the_end_of_a_page_comes_once_and_so_does_its_period(
    database: Database, limit: int
) -> None:
    """Both have the same start: the page behind an opening begins with the end of its period."""
    paid_first = plan()
    paid_first["rate_cards"].append(
        {
            "key": "support",
            "name": "Support",
            "price": {"model": "flat", "amount": "5.00"},
            "timing": "in_advance",
        }
    )
    names = [f"customer-{n}" for n in range(3)]
    apply(
        database,
        document(
            plans=[paid_first],
            customers=[customer(name) for name in names],
            subscriptions=[subscription(name, anchor=date(2024, 1, 1)) for name in names],
        ),
    )
    whole = due(database, MARCH)
    assert [each.opening for each in whole] == [True, False, False] * 3
    pages: list[DuePeriod] = []
    with database.transaction(snapshot=True) as conn:
        while page := due_periods(conn, None, MARCH, pages[-1] if pages else None, limit):
            pages += page
    assert pages == whole


def test_tenants_are_told_apart(database: Database) -> None:
    acme = apply(database, document())
    other = apply(database, document(tenant={"slug": "other", "name": "Other"}))
    first_end = datetime(2023, 12, 1, tzinfo=UTC)
    for ids in (acme, other):
        (found,) = due(database, first_end, ids.tenant_id)
        assert found.subscription_id == ids.subscriptions["contoso-standard"]
    assert len(due(database, first_end)) == 2


def test_an_end_cuts_the_last_period_and_nothing_follows(database: Database) -> None:
    desk = open_desk(database, datetime(2023, 11, 1, tzinfo=UTC))
    desk.subscribe()
    ended_at = datetime(2023, 12, 10, tzinfo=UTC)
    desk.at(ended_at).do(Cancel("now"))
    first, last = due(database, MARCH)
    assert (last.period.start, last.period.end) == (first.period.end, ended_at)
    assert due(database, ended_at) == [first, last], "due at its end, not at its month's"
    bill(database, [first])
    assert due(database, ended_at - timedelta(seconds=1)) == []
    bill(database, [last])
    assert due(database, datetime(2030, 1, 1, tzinfo=UTC)) == []


def test_what_waits_for_its_first_payment_is_not_due(database: Database) -> None:
    desk = open_desk(database)
    desk.subscribe(activation="payment")
    assert due(database, MARCH) == []
    paid = datetime(2024, 1, 20, tzinfo=UTC)
    desk.at(paid).do(Payment(succeeded=True))
    first, _ = due(database, MARCH)
    assert first.period == Period(paid, datetime(2024, 2, 1, tzinfo=UTC))


def test_a_trial_is_due_and_says_so(database: Database) -> None:
    desk = open_desk(database)
    trial_end = datetime(2024, 1, 15, tzinfo=UTC)
    desk.subscribe(trial_ends_at=trial_end)
    first, second = due(database, MARCH)
    assert [(each.start, each.end, each.trial) for each in first.terms] == [
        (first.period.start, trial_end, True),
        (trial_end, first.period.end, False),
    ]
    assert [each.trial for each in second.terms] == [False]


def test_a_subscription_bills_the_subjects_that_it_owns(database: Database) -> None:
    both = customer(time_zone="UTC", subjects=["one", "two"])
    desk = open_desk(database, customers=[both])
    desk.subscribe("first", subjects=["one"])
    desk.subscribe("second", subjects=["two", "three"])
    found = {each.subscription_id: each.subjects for each in due(database, MARCH)}
    assert found == {desk.find("first").id: ("one",), desk.find("second").id: ("two",)}


def test_subjects_count_for_the_periods_that_their_dates_touch(database: Database) -> None:
    subjects = [
        "always",
        {"subject": "from-december", "from": date(2023, 12, 1)},
        {"subject": "until-mid-december", "to": date(2023, 12, 15)},
        {"subject": "long-ago", "to": date(2023, 11, 1)},
    ]
    apply(database, document(customers=[customer(subjects=subjects)]))
    november, december, january = due(database, datetime(2024, 2, 1, tzinfo=UTC))
    assert november.subjects == ("always", "until-mid-december")
    assert december.subjects == ("always", "from-december", "until-mid-december")
    assert january.subjects == ("always", "from-december")
    assert [each.partial_subjects for each in (november, december, january)] == [
        (),
        ("until-mid-december",),
        (),
    ]


def test_billing_moves_the_row_and_leaves_no_history(database: Database) -> None:
    apply(database, document())
    first, *_ = due(database, MARCH)
    bill(database, [first])
    with database.transaction() as conn:
        row = conn.execute(
            "SELECT billed_until, period_start, period_end,"
            " (SELECT count(*) FROM subscriptions.subscriptions_history) AS history"
            " FROM subscriptions.subscriptions"
        ).fetchone()
    assert row == {
        "billed_until": first.period.end,
        "period_start": first.period.end,
        "period_end": datetime(2023, 12, 31, 23, tzinfo=UTC),
        "history": 0,
    }
