from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from core.calendar.intervals import Interval
from core.period import Period
from entitlements.facts import Facts, Offer
from entitlements.given import Given, given_at
from entitlements.measuring import stretches_of
from subscriptions.life.timeline import Pause, Terms
from tests.entitlements.made import (
    ADDON,
    OTHER,
    PLAN,
    START,
    facts,
    grant,
    override,
    subscription,
)

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


def given(known: Facts, at: datetime = NOW) -> Given:
    found = given_at(known, "calls", at)
    assert found is not None
    return found


def day(number: int, hour: int = 0, month: int = 3) -> datetime:
    return datetime(2026, month, number, hour, tzinfo=UTC)


@pytest.mark.req("RAT-11")
def test_a_plans_limit_is_given_in_the_billing_period() -> None:
    found = given(facts(subscription()))
    assert (found.limit, found.hard) == (Decimal(100), False)
    # From 31 January 10:00: 28 February, 31 March; the last days of short months.
    assert found.window == Period(day(28, 10, 2), day(31, 10))
    assert given(facts(subscription()), day(28, 9, 2)).window == Period(START, day(28, 10, 2))
    assert given_at(facts(subscription()), "other", NOW) is None


def test_limits_add_up_and_hard_wins() -> None:
    terms = Terms(START, None, PLAN, addons={ADDON: Decimal(3)})
    offers = {
        PLAN: {"calls": Offer(Decimal(100))},
        ADDON: {"calls": Offer(Decimal("10.5"), hard=True)},
        OTHER: {"calls": Offer(Decimal(1))},
    }
    second = subscription(Terms(day(1), None, OTHER), number=2)
    found = given(facts(subscription(terms), second, offers=offers))
    assert (found.limit, found.hard) == (Decimal("132.5"), True)
    assert len(found.sources) == 3
    assert found.subscription is not None
    assert found.subscription.slug == "sub-1"
    boundless = offers | {OTHER: {"calls": Offer(None)}}
    assert given(facts(subscription(terms), second, offers=boundless)).limit is None


@pytest.mark.parametrize("status", ["FREE"])
def test_nothing_is_given_before_a_start_after_an_end_and_in_a_pause(status: str) -> None:
    assert given_at(facts(subscription(status="FREE")), "calls", NOW) is None, status
    assert given_at(facts(subscription()), "calls", START - timedelta(microseconds=1)) is None
    ended = subscription(Terms(START, NOW, PLAN), over=NOW, status="CANCELED")
    assert given_at(facts(ended), "calls", NOW) is None
    assert given_at(facts(ended), "calls", NOW - timedelta(microseconds=1)) is not None
    paused = subscription(pauses=(Pause(day(5), day(10), billing=False, service=True),))
    assert given_at(facts(paused), "calls", day(9, 23)) is None
    assert given_at(facts(paused), "calls", day(10)) is not None
    unbilled = subscription(pauses=(Pause(day(5), day(15), billing=True, service=False),))
    assert given_at(facts(unbilled), "calls", NOW) is not None


def test_a_change_of_plan_changes_the_limit_within_its_window() -> None:
    changed = subscription(Terms(START, day(10), PLAN), Terms(day(10), None, OTHER))
    offers = {PLAN: {"calls": Offer(Decimal(100))}, OTHER: {"calls": Offer(Decimal(500))}}
    known = facts(changed, offers=offers)
    before, after = given(known, day(9)), given(known, day(10))
    assert (before.limit, after.limit) == (Decimal(100), Decimal(500))
    assert before.window == after.window


def test_an_override_stands_in_place_of_all() -> None:
    mine = override(day(5), day(20), Offer(Decimal(7), hard=True))
    known = facts(subscription(), overrides=(mine,))
    assert given(known, day(4)).limit == 100
    assert (given(known, day(5)).limit, given(known, day(5)).hard) == (Decimal(7), True)
    assert given(known, day(20)).limit == 100
    assert given_at(facts(subscription(), overrides=(override(day(5)),)), "calls", day(6)) is None
    alone = given(facts(overrides=(mine,), zone="Europe/Berlin"), day(6))
    assert alone.subscription is None
    assert alone.window == Period(day(28, 23, 2), day(31, 22))  # March in Berlin


def test_days_of_a_zone_are_23_and_25_hours_where_clocks_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    anchor = datetime(2026, 1, 1, tzinfo=berlin).astimezone(UTC)
    offers = {PLAN: {"calls": Offer(Decimal(100), reset=Interval("day"))}}
    known = facts(subscription(zone="Europe/Berlin", anchor=anchor), offers=offers)
    for date, hours in ((datetime(2026, 3, 29, 13, tzinfo=UTC), 23),
                        (datetime(2026, 10, 25, 13, tzinfo=UTC), 25),
                        (datetime(2026, 7, 1, 13, tzinfo=UTC), 24)):  # fmt: skip
        window = given(known, date).window
        assert window.end - window.start == timedelta(hours=hours), date
        assert window.start.astimezone(berlin).hour == window.end.astimezone(berlin).hour == 0
        last = window.end - timedelta(microseconds=1)
        assert given(known, last).window == window
        assert given(known, window.end).window.start == window.end


def test_no_window_begins_before_its_subscription() -> None:
    late = subscription(Terms(day(15), None, PLAN), anchor=day(1))
    assert given(facts(late), day(20)).window == Period(day(15), day(1, 0, 4))


def test_without_grants_one_stretch_is_read_and_with_them_each_limit_has_its_own() -> None:
    changed = subscription(Terms(START, day(10), PLAN), Terms(day(10), None, OTHER), anchor=START)
    offers = {
        PLAN: {"calls": Offer(Decimal(100))},
        OTHER: {"calls": Offer(Decimal(5), reset=Interval("day"))},
    }
    plain = facts(changed, offers=offers)
    at = day(10, 12)
    window = given(plain, at).window
    # A day of the new plan: it steps from the anchor at 10:00, and began before the change.
    assert window == Period(day(10, 10), day(11, 10))
    assert stretches_of(plain, "calls", given(plain, at), at) == (
        [(window, given(plain, at))],
        [],
    )
    early = day(10, 5)
    more = facts(changed, offers=offers, grants=(grant(9, day(8), day(20)),))
    parts, grants = stretches_of(more, "calls", given(more, early), early)
    assert len(grants) == 1
    # The day of `early` began on the 9th at 10:00, before the plan changed: one more cut.
    assert [period for period, _ in parts] == [
        Period(day(8), day(9, 10)),
        Period(day(9, 10), day(10)),
        Period(day(10), day(10, 10)),
    ]
    assert [what and what.limit for _, what in parts] == [100, 100, 5]
