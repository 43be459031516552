"""Holds: taken, used, given back, over; and what an answer says of each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import psycopg
import pytest

from api.event_types import EVENT_TYPES
from core.acting import Acting
from core.clock import ManualClock
from core.errors import BusinessLogicError, ValidationError
from db.postgres import Connection, Database, Role
from entitlements import holds, reserving
from entitlements.errors import HoldClosedError, HoldNotFoundError, UsageLimitExceededError
from entitlements.holds import prune_holds
from entitlements.reserving import Reserving
from entitlements.tracking import Tracking
from identity.tenants import ensure_tenant
from tests.entitlements.desk import Desk, Json, Log, no_reader, open_desk, unrepeated
from tests.plugins.database import database, database_url, do
from tests.plugins.logins import plain_login

__all__ = ["database", "database_url"]

TICK = timedelta(microseconds=1)


@pytest.fixture
def desk(database: Database) -> Desk:
    return open_desk(database)


def closings(desk: Desk, hold: str) -> list[Callable[[], Json]]:
    """Both ways to close a hold."""
    return [lambda: desk.commit(hold, 1), lambda: desk.release(hold)]


def test_a_hold_counts_until_it_is_committed_with_what_was_truly_used(desk: Desk) -> None:
    held = desk.hold(40)
    assert (held["allowed"], held["status"]) == (True, "open")
    assert (held["used"], held["limit"], held["remaining"]) == ("40", "60", "20")
    with pytest.raises(UsageLimitExceededError) as refusal:
        desk.track(21)
    assert refusal.value.details["remaining"] == "20"
    used = desk.commit(held["id"], 15)
    assert (used["hold"], used["held"], used["quantity"]) == (held["id"], "40", "15")
    assert (used["used"], used["remaining"]) == ("15", "45")
    shown = desk.find(held["id"])
    assert (shown["status"], shown["record"]) == ("committed", used["id"])
    assert desk.told() == [
        ("entitlement.hold.created", held["id"]),
        ("entitlement.hold.committed", held["id"]),
        ("usage.recorded", used["id"]),
    ]
    [unsent] = desk.tracking.unsent(desk.acting, used["id"])
    assert unsent.event.id == used["id"]


def test_more_than_is_held_has_to_fit_and_a_refusal_leaves_the_hold_as_it_was(desk: Desk) -> None:
    held = desk.hold(40)
    desk.track(15)
    with pytest.raises(UsageLimitExceededError) as refusal:
        desk.commit(held["id"], 46)
    told = refusal.value.details
    assert (told["used"], told["remaining"]) == ("15", "45")
    assert desk.find(held["id"])["status"] == "open"
    assert [subject for subject, _ in desk.told()] == ["entitlement.hold.created", "usage.recorded"]
    assert desk.commit(held["id"], 45)["remaining"] == "0"


def test_what_is_held_is_never_refused_whatever_became_of_the_limit(desk: Desk) -> None:
    held, other = desk.hold(40), desk.hold(10)
    desk.log.events.append(("", 30))
    desk.log.limits.append(20)
    desk.clock.advance(timedelta(seconds=3))
    with pytest.raises(UsageLimitExceededError) as refusal:
        desk.commit(held["id"], 41)
    assert refusal.value.details["remaining"] == "40"
    used = desk.commit(held["id"], 40)
    assert (used["used"], used["limit"], used["remaining"]) == ("80", "20", "0")
    assert used["exceeded"]
    assert desk.release(other["id"])["status"] == "released"


def test_it_is_over_at_its_end_and_not_a_tick_before(desk: Desk) -> None:
    held = desk.hold(60, seconds=10)
    end = datetime.fromisoformat(held["expires_at"])
    desk.wait(end - TICK)
    assert desk.find(held["id"])["status"] == "open"
    with pytest.raises(UsageLimitExceededError):
        desk.hold(1)
    desk.clock.advance(TICK)
    shown = desk.find(held["id"])
    assert (shown["status"], shown["closed_at"]) == ("expired", held["expires_at"])
    for closing in closings(desk, held["id"]):
        with pytest.raises(HoldClosedError) as refusal:
            closing()
        assert refusal.value.details["status"] == "expired"
    # Nobody swept: the next one has it all, and says what became of the other.
    kept = desk.hold(60)
    assert kept["used"] == "60"
    assert desk.told()[1:] == [
        ("entitlement.hold.expired", held["id"]),
        ("entitlement.hold.created", kept["id"]),
    ]


def test_a_hold_that_is_committed_a_tick_before_its_end_is_used(desk: Desk) -> None:
    held = desk.hold(60, seconds=10)
    desk.wait(datetime.fromisoformat(held["expires_at"]) - TICK)
    assert desk.commit(held["id"], 60)["used"] == "60"


def test_a_clock_that_is_behind_commits_nothing_that_was_given_away(desk: Desk) -> None:
    held = desk.hold(60, seconds=10)
    behind = desk.clock.now()
    desk.clock.advance(timedelta(seconds=10))
    desk.hold(60)
    desk.clock._now = behind
    with pytest.raises(HoldClosedError):
        desk.commit(held["id"], 60)
    with pytest.raises(HoldClosedError):
        desk.release(held["id"])


def test_a_hold_closes_once(desk: Desk) -> None:
    first, second = desk.hold(10), desk.hold(10)
    used = desk.commit(first["id"], 10)
    desk.release(second["id"])
    for hold, status in ((first, "committed"), (second, "released")):
        for closing in closings(desk, hold["id"]):
            with pytest.raises(HoldClosedError) as refusal:
                closing()
            assert refusal.value.details["status"] == status
    assert refusal.value.details["record"] is None
    assert desk.find(first["id"])["record"] == used["id"]


def test_a_hold_counts_in_the_window_in_which_it_may_be_used(desk: Desk) -> None:
    object.__setattr__(desk.log, "window", timedelta(seconds=30))
    desk.track(20)
    held = desk.hold(40, seconds=60)
    desk.clock.advance(timedelta(seconds=30))
    assert desk.track(20)["remaining"] == "0"
    assert desk.commit(held["id"], 40)["used"] == "60"


def test_only_its_feature_and_its_customer_commit_it(desk: Desk, database: Database) -> None:
    other = Desk(database, desk.tenant_id, "others")
    held = desk.hold(10)
    with pytest.raises(ValidationError, match=r"feature: 'calls' is held"):
        desk.holding.commit(desk.acting, held["id"], other.use(1), unrepeated)
    for name in ("hld_1", "usr_" + held["id"][4:], "hld_" + "0" * 32):
        with pytest.raises(HoldNotFoundError):
            desk.release(name)
    assert desk.find(held["id"])["status"] == "open"


def test_another_tenant_finds_no_hold(desk: Desk, database: Database, database_url: str) -> None:
    held = desk.hold(10)
    zeta = do(database, ensure_tenant, desk.clock, "zeta", "Zeta")[0].id
    with pytest.raises(HoldNotFoundError):
        desk.holding.release(Acting(zeta), held["id"], unrepeated)
    with Database(database_url, Role.API) as api, api.transaction(Acting(zeta)) as conn:
        assert conn.execute("SELECT count(*) AS n FROM entitlements.holds").fetchall() == [{"n": 0}]


def test_events_of_holds_are_as_their_types_say(desk: Desk) -> None:
    first, second = desk.hold(10), desk.hold(10)
    desk.hold(10, seconds=1)
    desk.commit(first["id"], 3)
    desk.release(second["id"])
    desk.clock.advance(timedelta(seconds=1))
    desk.track(1)
    told = desk.payloads("entitlement.hold")
    for subject, version, payload in told:
        EVENT_TYPES[subject].check(payload, version)
    assert {subject.rpartition(".")[2] for subject, _, _ in told} == {
        "created",
        "committed",
        "released",
        "expired",
    }


def test_a_hold_has_one_outcome_for_ever(desk: Desk, database: Database) -> None:
    held = desk.hold(1)
    desk.release(held["id"])
    with pytest.raises(psycopg.IntegrityError, match="one outcome"), database.transaction() as conn:
        conn.execute("UPDATE entitlements.holds SET outcome = NULL, closed_at = NULL")
    assert desk.find(held["id"])["status"] == "released"


def test_so_many_are_open_at_a_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holds, "OPEN_MAX", 2)
    first, _ = desk.hold(1), desk.hold(1, seconds=10)
    with pytest.raises(BusinessLogicError, match="2 are open"):
        desk.hold(1)
    desk.release(first["id"])
    desk.hold(1)
    desk.clock.advance(timedelta(seconds=10))
    assert desk.hold(1)["used"] == "2"


def test_what_was_done_is_answered_again_when_the_log_takes_no_event_of_the_time_any_more(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sandbox's clock goes on between a request and its repetition."""
    kept: list[Json] = []

    def once(_: Connection, perform: Callable[[], Json]) -> Json:
        if not kept:
            kept.append(perform())
        return kept[0]

    first = desk.tracking.record(desk.acting, desk.use(2), once)
    monkeypatch.setattr(reserving, "AHEAD_MAX", -timedelta(days=1))
    assert desk.tracking.record(desk.acting, desk.use(2), once) == first
    with pytest.raises(BusinessLogicError, match="24 hours ahead"):
        desk.track(2)


def test_a_record_is_unsent_for_a_process_whose_clock_is_behind_too(desk: Desk) -> None:
    made = desk.track(1)
    behind = Log(desk.database, no_reader, ManualClock(desk.clock.now() - timedelta(seconds=5)))
    [unsent] = Tracking(Reserving(behind)).unsent(desk.acting, made["id"])
    assert unsent.event.id == made["id"]
    assert Tracking(Reserving(behind)).unsent(desk.acting) == []


def test_closed_holds_are_pruned_by_age_and_open_ones_stay(
    desk: Desk, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holds, "_BATCH", 2)
    over = [desk.hold(1, seconds=1)["id"] for _ in range(5)]
    gone, kept = desk.hold(1), desk.hold(1, seconds=86_400)
    desk.release(gone["id"])
    desk.clock.advance(timedelta(hours=1))
    young = desk.hold(1)
    desk.release(young["id"])
    with plain_login(database_url, Role.OPERATOR) as login, Database(login, Role.OPERATOR) as db:
        assert prune_holds(db, desk.clock, desk.clock.now()) == 6
        assert prune_holds(db, desk.clock, desk.clock.now()) == 0
    assert desk.find(kept["id"])["status"] == "open"
    assert desk.find(young["id"])["status"] == "released"
    ended = {name for subject, name in desk.told() if subject == "entitlement.hold.expired"}
    assert ended == set(over)
