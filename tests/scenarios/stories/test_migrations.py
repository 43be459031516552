"""A plan gets dearer: who subscribed before moves to its new version, once, on its day."""

from __future__ import annotations

import copy

import pytest

from catalog.plan_catalog import activate_draft, write_draft
from core.acting import Acting
from subscriptions.commands import Cancel, Change, PauseCommand
from subscriptions.life.migration import BATCH, MigrationReport, migrate
from tests.scenarios.stories.teller import PLANS, Town, lines_of, on

DEARER = copy.deepcopy(PLANS["basic"])
DEARER[0]["price"]["amount"] = "60.00"


def sell_dearer(town: Town) -> None:
    content = {"currency": "EUR", "rate_cards": DEARER}
    town.call(
        on(4, 2), lambda conn, clock: write_draft(conn, clock, town.tenant_id, "basic", content)
    )
    town.call(on(4, 2), lambda conn, clock: activate_draft(conn, clock, town.tenant_id, "basic"))


def move(town: Town, **how: object) -> MigrationReport:
    acting = Acting(town.tenant_id, "story")
    return migrate(town.database, town.desk(on(4, 10)).clock, acting, "basic", **how)  # type: ignore[arg-type]  # words


def told(report: MigrationReport) -> tuple[int, int, int]:
    return report.moved, report.unchanged, report.refused_count


@pytest.mark.req("RAT-10")
def test_a_new_price_reaches_live_subscriptions_from_its_date_once(town: Town) -> None:
    for payer in ("ada", "bob"):
        town.use(f"{payer}-app", on(4, 20), "100")
        town.subscribe(on(4, 1), "basic", payer=payer, slug=payer)
    sell_dearer(town)
    assert told(move(town, when=on(4, 16), dry_run=True)) == (2, 0, 0)
    assert [len(town.desk(on(4, 10)).find(each).standing.terms) for each in ("ada", "bob")] == [
        1,
        1,
    ]
    assert told(move(town, when=on(4, 16))) == (2, 0, 0)
    assert told(move(town, when=on(4, 16))) == (0, 2, 0)
    for invoice in town.close(on(5, 1)):
        assert lines_of(invoice) == [
            ("fee", "04-01..04-16", 15_00),
            ("fee", "04-16..05-01", 30_00),  # 60.00 x 15 of 30 days
            ("tokens", "04-01..05-01", 1_00),  # the same price goes on
        ]


def test_each_moves_at_the_end_of_its_own_period(town: Town) -> None:
    town.subscribe(on(3, 20), "basic", payer="ada", slug="ada")
    town.subscribe(on(4, 1), "basic", payer="bob", slug="bob")
    sell_dearer(town)
    assert told(move(town)) == (2, 0, 0)
    desk = town.desk(on(4, 10))
    assert [desk.find(each).standing.terms[1].start for each in ("ada", "bob")] == [
        on(4, 20),
        on(5, 1),
    ]


def test_who_cannot_move_is_reported_and_stays(town: Town) -> None:
    town.subscribe(on(4, 1), "basic", payer="ada", slug="ends")
    town.do(on(4, 2), Cancel(on(4, 15)), "ends")
    town.subscribe(on(4, 1), "basic", payer="bob", slug="paused")
    town.do(on(4, 2), PauseCommand(), "paused")
    sell_dearer(town)
    report = move(town, when=on(4, 16))
    assert told(report) == (1, 0, 1)
    [refusal] = report.refused
    assert (refusal.subscription, refusal.code) == ("ends", "business_logic_error")
    assert "not before the end" in refusal.message


def test_quantities_stay_and_other_plans_are_left_alone(town: Town) -> None:
    town.subscribe(on(4, 1), "basic", payer="ada", slug="ada")
    town.subscribe(on(4, 1), "team", payer="ada", slug="team")
    sell_dearer(town)
    town.do(on(4, 3), Change(town.desk(on(4, 3)).version("team"), when="now"), "team")
    assert told(move(town, when="now")) == (1, 0, 0)
    assert town.desk(on(4, 10)).find("team").plan_number == 1


def test_more_than_a_batch_moves_and_a_dry_run_says_the_same(town: Town) -> None:
    for number in range(BATCH + 3):
        town.subscribe(on(4, 1), "basic", slug=f"many-{number}", subjects=[f"s{number}"])
    sell_dearer(town)
    seen: list[int] = []
    assert told(move(town, when="now", dry_run=True)) == (BATCH + 3, 0, 0)
    assert told(move(town, when="now", progress=seen.append)) == (BATCH + 3, 0, 0)
    assert seen == [BATCH, 3]
    assert told(move(town, when="now")) == (0, BATCH + 3, 0)
