"""What somebody found who tried to break it: each a case that once was billed wrongly, or not."""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from core.acting import Acting
from core.endpoints import Endpoints
from core.errors import ConflictError, NotFoundError, TollbookError, ValidationError
from db.postgres import Database
from subscriptions.commands import Activate, Cancel, Change, Extend, Payment, Reactivate, StartTrial
from subscriptions.commands.bodies import parse_command
from subscriptions.life.migration import migrate
from subscriptions.setup import apply_catalog
from tests.scenarios.stories.teller import PLANS, Town, card, fee, lines_of, on, tokens

SUPPORT = card("support", {"model": "percent_of_lines", "percent": "10", "lines": ["tokens"]})
SUPPORT["price"]["adjustments"] = {"minimum": "50.00"}
TEAM = [*PLANS["team"], card("tokens", {"model": "per_unit", "amount": "1.00"}, meter="tokens")]
MORE = {"care": [*TEAM, SUPPORT]}


@pytest.fixture
def town(installation: Endpoints, seed: int) -> Iterator[Town]:
    with Database(installation.postgres) as database:
        yield Town.build(installation, database, random.Random(seed), PLANS | MORE)


def test_a_percentage_goes_on_over_a_change_of_seats(town: Town) -> None:
    """Its minimum is that of the month, not of each part: 10 % of 1,000.00 is above it."""
    town.use("ada-app", on(4, 5), "1000")
    town.subscribe(on(4, 1), "care")
    town.do(on(4, 16), Change(quantities={"seats": Decimal(2)}))
    [april] = town.close(on(5, 1))
    assert lines_of(april) == [
        ("fee", "04-01..05-01", 30_00),
        ("seats", "04-01..04-16", 7_50),
        ("seats", "04-16..05-01", 15_00),
        ("tokens", "04-01..05-01", 1000_00),
        ("support", "04-01..05-01", 100_00),
    ]


def test_a_percentage_that_changes_is_of_what_was_used_in_its_time(town: Town) -> None:
    town.use("ada-app", on(4, 5), "1000")
    town.use("ada-app", on(4, 25), "2000")
    town.subscribe(on(4, 1), "care")
    dearer = card("support", {"model": "percent_of_lines", "percent": "20", "lines": ["tokens"]})
    Town.build(town.endpoints, town.database, town.rng, PLANS | {"care": [*TEAM, dearer]})
    town.do(on(4, 16), Change(town.desk(on(4, 16)).version("care")))
    [april] = town.close(on(5, 1))
    assert lines_of(april)[-4:] == [
        ("tokens", "04-01..04-16", 1000_00),
        ("tokens", "04-16..05-01", 2000_00),
        ("support", "04-01..04-16", 100_00),  # 10 % of 1,000.00
        ("support", "04-16..05-01", 400_00),  # 20 % of 2,000.00
    ]


def test_a_migration_leaves_another_plan_that_is_planned(town: Town) -> None:
    town.subscribe(on(4, 1), "basic")
    pro = town.desk(on(4, 2)).version("pro")
    town.do(on(4, 2), Change(pro, when=on(5, 1)))
    Town.build(town.endpoints, town.database, town.rng, PLANS | {"basic": [fee("60.00")]})
    acting = Acting(town.tenant_id, "story")
    report = migrate(town.database, town.desk(on(4, 10)).clock, acting, "basic", when=on(4, 16))
    assert (report.moved, report.refused_count) == (1, 0)
    april, may = town.close(on(6, 1))
    assert lines_of(april)[:2] == [("fee", "04-01..04-16", 15_00), ("fee", "04-16..05-01", 30_00)]
    assert lines_of(may)[0] == ("fee", "05-01..06-01", 90_00)


def test_a_migration_moves_who_is_going_to_have_the_plan(town: Town) -> None:
    town.subscribe(on(4, 1), "pro")
    town.do(on(4, 2), Change(town.desk(on(4, 2)).version("basic"), when=on(5, 1)))
    Town.build(
        town.endpoints, town.database, town.rng, PLANS | {"basic": [fee("60.00"), tokens("0.01")]}
    )
    acting = Acting(town.tenant_id, "story")
    migrate(town.database, town.desk(on(4, 10)).clock, acting, "basic", when="now")
    april, may = town.close(on(6, 1))
    assert [lines_of(each)[0][2] for each in (april, may)] == [90_00, 60_00]


def test_the_end_of_a_contract_outlives_a_trial(town: Town) -> None:
    town.subscribe(
        on(4, 1), "basic", trial_ends_at=on(4, 15), trial_converts=False, expires_at=on(5, 1)
    )
    sold = town.do(on(4, 10), Activate())
    assert sold.standing.expires_at == on(5, 1)
    assert [each.period.start for each in town.close(on(7, 1))] == [on(4, 1)]


def test_another_trial_is_not_ended_by_the_one_before(town: Town) -> None:
    town.subscribe(on(4, 10), "basic", trial_ends_at=on(4, 20), trial_converts=False)
    early = town.desk(on(4, 1)).subscribe("later", plan="basic", payer="bob", start=on(4, 10))
    assert early.standing.status == "FREE"
    town.desk(on(4, 5)).do(StartTrial(on(5, 5)), "later")
    assert town.desk(on(5, 6)).do(Extend(None), "later").standing.status == "ACTIVE"


def test_a_contract_without_end_does_not_prolong_a_trial(town: Town) -> None:
    town.use("ada-app", on(4, 25), "1000")
    town.subscribe(
        on(4, 1), "basic", start=on(4, 10), trial_ends_at=on(4, 20), trial_converts=False
    )
    town.do(on(4, 5), Extend(None))
    town.close(on(6, 1))
    assert town.desk(on(6, 1)).find().standing.status == "EXPIRED"


def test_seats_change_though_a_plan_without_seats_is_planned(town: Town) -> None:
    town.subscribe(on(4, 1), "team")
    town.do(on(4, 2), Change(town.desk(on(4, 2)).version("basic"), when=on(5, 1)))
    changed = town.do(on(4, 16), Change(quantities={"seats": Decimal(3)}))
    assert [dict(each.quantities) for each in changed.standing.terms] == [
        {},
        {"seats": Decimal(3)},
        {},
    ]
    again = town.do(on(4, 17), Change(quantities={"seats": Decimal(3)}))
    assert again.revision == changed.revision, "nothing changed"


def test_who_waits_for_a_payment_holds_its_meters(town: Town) -> None:
    town.subscribe(on(4, 1), "basic", slug="waits", activation="payment")
    with pytest.raises(ConflictError, match="'waits' and 'other'"):
        town.subscribe(on(4, 2), "pro", slug="other")
    paid = town.do(on(4, 3), Payment(succeeded=True), "waits")
    assert paid.standing.status == "ACTIVE"


def test_what_never_began_is_not_revived(town: Town) -> None:
    town.subscribe(on(4, 1), "basic", start=on(5, 1))
    town.do(on(4, 2), Cancel("now"))
    with pytest.raises(TollbookError, match="start: the subscription ended before it began"):
        town.do(on(4, 6), Reactivate())


def test_names_that_no_database_can_hold_and_years_without_sense_are_refused(town: Town) -> None:
    def change(**given: Any) -> None:
        body = parse_command("change", given)
        town.call(on(4, 1), lambda conn, _: body.resolve(conn, town.tenant_id))

    for plan in ("a\x00b", "\ud800", "No Slug"):
        with pytest.raises(NotFoundError, match="plan: there is none"):
            change(plan=plan)
    with pytest.raises(ValidationError, match=r"addons\.support: at most"):
        change(addons={"support": "1000001"})
    for subject in ("a\x00b", "\ud800", "x" * 300, ""):
        with pytest.raises(ValidationError, match=r"subjects\[0\]\.subject"):
            town.subscribe(on(4, 1), "basic", subjects=[subject])
    for year in (1, 1969, 2200, 9999):
        with pytest.raises(ValidationError, match="start: give an instant from 1970 to 2199"):
            town.subscribe(on(4, 1), "basic", start=on(4, 1).replace(year=year))


def sell_levels(town: Town) -> None:
    def level(amount: str) -> dict[str, Any]:
        return card("level", {"model": "per_unit", "amount": amount}, meter="level")

    plans = {"flat-level": [level("0.01")], "steep-level": [level("10.00")]}
    Town.build(town.endpoints, town.database, town.rng, plans)


def test_a_level_that_falls_over_a_change_of_plan_is_billed_and_not_paid_back(town: Town) -> None:
    sell_levels(town)
    town.use("ada-app", on(4, 5), "100")
    town.use("ada-app", on(4, 25), "20")
    town.subscribe(on(4, 1), "flat-level")
    town.do(on(4, 16), Change(town.desk(on(4, 16)).version("steep-level")))
    [april] = town.close(on(5, 1))
    assert lines_of(april) == [
        ("level", "04-01..04-16", 1_00),  # 100 x 0.01
        ("level", "04-16..05-01", 0),  # 20 - 100 is no usage; at 10.00 it would be -800.00
    ]


def test_a_level_that_falls_and_rises_again_is_billed_up_to_the_most_it_showed(town: Town) -> None:
    sell_levels(town)
    for day, level in ((5, "100"), (15, "20"), (25, "110")):
        town.use("ada-app", on(4, day), level)
    town.subscribe(on(4, 1), "flat-level")
    town.do(on(4, 11), Change(town.desk(on(4, 11)).version("steep-level")))
    town.do(on(4, 21), Change(town.desk(on(4, 21)).version("flat-level")))
    [april] = town.close(on(5, 1))
    assert lines_of(april) == [
        ("level", "04-01..04-11", 1_00),  # 100 x 0.01
        ("level", "04-11..04-21", 0),  # 20 is below what is billed
        ("level", "04-21..05-01", 10),  # 110 - 100 at 0.01; 110 - 20 would be 0.90
    ]


def test_a_set_up_file_is_applied_again_after_a_change_of_plan(town: Town) -> None:
    entry = {"slug": "sub", "customer": "ada", "plan": "basic", "anchor": on(4, 1)}
    content = {"tenant": {"slug": "town", "name": "Town"}, "subscriptions": [entry]}
    clock = town.desk(on(4, 2)).clock
    assert apply_catalog(town.database, clock, content).changes == ["created subscription sub"]
    town.do(on(4, 16), Change(town.desk(on(4, 16)).version("pro")))
    assert apply_catalog(town.database, town.desk(on(4, 17)).clock, content).changes == []
    assert town.desk(on(4, 17)).find().plan == "pro"
    entry["plan"] = "team"
    with pytest.raises(ConflictError, match="plan: subscription 'sub' has basic"):
        apply_catalog(town.database, town.desk(on(4, 17)).clock, content)
