"""Add-ons come and go in the middle of a month, each so many times."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from core.endpoints import Endpoints
from core.errors import ConflictError, ValidationError
from db.postgres import Database
from subscriptions.commands.bodies import parse_command
from subscriptions.life.subscription import Subscription
from tests.scenarios.stories.teller import PLANS, Town, card, fee, lines_of, on

SUPPORT = [card("support", {"model": "per_unit", "amount": "60.00"}, quantity="1")]
DISKS = [card("disks", {"model": "per_unit", "amount": "3.00"}, quantity="10")]
IMAGES = [card("images", {"model": "per_unit", "amount": "1.00"}, meter="tokens")]
ADDONS = {"support": SUPPORT, "disks": DISKS, "images": IMAGES}


@pytest.fixture
def town(installation: Endpoints, seed: int) -> Iterator[Town]:
    with Database(installation.postgres) as database:
        yield Town.build(installation, database, random.Random(seed), PLANS, ADDONS)


def change(town: Town, day: int, **given: Any) -> Subscription:
    body = parse_command("change", given)
    command = town.call(on(4, day), lambda conn, _: body.resolve(conn, town.tenant_id))
    return town.do(on(4, day), command)


@pytest.mark.req("CAT-07")
def test_addons_are_billed_for_their_days_so_many_times(town: Town) -> None:
    town.subscribe(on(4, 1), "basic")
    change(town, 11, addons={"support": "1"})
    change(town, 16, addons={"support": "2", "disks": "3"})
    change(town, 21, addons={"support": "0"})
    [april] = town.close(on(5, 1))
    assert lines_of(april) == [
        ("fee", "04-01..05-01", 30_00),  # goes on, whatever comes beside it
        ("tokens", "04-01..05-01", 0),
        ("support", "04-11..04-16", 10_00),  # 60.00 x 5 of 30 days
        ("support", "04-16..04-21", 20_00),  # 2 x 60.00 x 5 of 30 days
        ("disks", "04-16..05-01", 45_00),  # 3 x 10 x 3.00 x 15 of 30 days
    ]


def test_an_addon_stays_over_a_change_of_plan_and_a_return(town: Town) -> None:
    town.subscribe(on(4, 1), "basic")
    change(town, 1, addons={"support": "1"})
    changed = change(town, 11, plan="pro")
    assert len(changed.standing.addons) == 1
    [april] = town.close(on(5, 1))
    assert lines_of(april)[-1] == ("support", "04-01..05-01", 60_00)


def test_what_does_not_fit_is_refused(town: Town) -> None:
    town.subscribe(on(4, 1), "basic")
    with pytest.raises(ValidationError, match=r"addons\.pro: is a plan of its own"):
        change(town, 2, addons={"pro": "1"})
    with pytest.raises(ValidationError, match="plan: 'support' is an add-on"):
        change(town, 2, plan="support")
    with pytest.raises(ValidationError, match="plan: 'support' is an add-on"):
        town.subscribe(on(4, 1), "support", payer="bob", slug="bob")
    with pytest.raises(ConflictError, match="'basic' has the meter 'tokens' already"):
        change(town, 2, addons={"images": "1"})
    assert town.desk(on(4, 3)).find().standing.addons == {}


def test_an_addon_is_sold_by_number_and_names_its_lines_apart(town: Town) -> None:
    def build(**addons: Any) -> None:
        Town.build(town.endpoints, town.database, town.rng, PLANS, addons)

    with pytest.raises(ValidationError, match=r"rate_cards\[0\].quantity: line 'fee' of an add-on"):
        build(bad=[fee("1.00")])
    build(twice=[card("fee", SUPPORT[0]["price"], quantity="1")])
    town.subscribe(on(4, 1), "basic")
    with pytest.raises(ConflictError, match="'basic' has the line 'fee' already"):
        change(town, 3, addons={"twice": "1"})
    with pytest.raises(ConflictError, match="kind: 'basic' is final and a plan"):
        build(basic=SUPPORT)
