"""Plans that begin with a trial and a ramp, in 2024; each amount is worked out beside its line."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from catalog.plan_catalog import activate_draft, write_draft
from core.acting import Acting
from core.clock import ManualClock
from core.endpoints import Endpoints
from core.errors import ValidationError
from db.postgres import Connection, Database
from invoicing.document import invoice_document
from invoicing.model import Invoice
from subscriptions.commands import Activate, Cancel, Change, Reactivate
from subscriptions.contracts.body import parse_contract
from subscriptions.contracts.register import create_contract
from subscriptions.life.bought import bought
from subscriptions.life.migration import migrate
from tests.scenarios.stories.teller import PLANS, TIERS, Content, Town, card, fee, lines_of, on
from tests.scenarios.stories.teller import tokens as tokens_at

FEE, TOKENS = fee("30.00"), tokens_at("0.01")
TRY = {"key": "try", "name": "Try", "lasts": "P14D", "trial": True, "free_meters": ["tokens"]}


def phase(key: str, lasts: str | None, **prices: Any) -> dict[str, Any]:
    """A phase with prices of some lines."""
    said = {"key": key, "name": key.title()} | ({} if lasts is None else {"lasts": lasts})
    return said | {"prices": [{"key": line, "price": price} for line, price in prices.items()]}


def flat(amount: str) -> dict[str, Any]:
    return {"model": "flat", "amount": amount}


GROW = {
    "rate_cards": [FEE, TOKENS],
    "phases": [TRY, phase("ramp", "P3M", fee=flat("10.00"), tokens=tokens_at("0.02")["price"])],
}
STEPS = {
    "rate_cards": [FEE],
    "phases": [
        phase("first", "P1M", fee=flat("10.00")),
        phase("second", "P1M", fee=flat("20.00")),
    ],
}
TIERED = {
    "rate_cards": [FEE, card("tokens", TIERS, meter="tokens")],
    "phases": [
        phase("one", "P10D", fee=flat("15.00")),
        phase("two", "P10D", fee=flat("15.00"), tokens=TIERS | {"rounding": "up"}),
    ],
}
SEATS = {
    "rate_cards": [card("seats", {"model": "per_unit", "amount": "15.00"}, quantity="1")],
    "phases": [{"key": "many", "name": "Many", "lasts": "P1M", "quantities": {"seats": "3"}}],
}

Build = Callable[..., Town]


@pytest.fixture
def build(installation: Endpoints, seed: int) -> Iterator[Build]:
    with Database(installation.postgres) as database:

        def made(**plans: Content) -> Town:
            return Town.build(installation, database, random.Random(seed), PLANS | plans)

        yield made


def sell(town: Town, at: datetime, slug: str, content: dict[str, Any]) -> None:
    """The next version of a plan."""

    def work(conn: Connection, clock: ManualClock) -> None:
        write_draft(conn, clock, town.tenant_id, slug, content)
        activate_draft(conn, clock, town.tenant_id, slug)

    town.call(at, work)


def named(invoice: Invoice) -> list[str | None]:
    """From which phase each line has its price."""
    return [line.phase for line in invoice.lines]


def phases_of(town: Town, at: datetime) -> list[tuple[str, str | None]]:
    """Since when which phase holds, as it is planned."""
    terms = town.desk(at).find().standing.terms
    return [(f"{each.start:%m-%d}", each.phase) for each in terms]


def test_a_trial_then_a_ramp_then_the_plan(build: Build) -> None:
    town = build(grow=GROW)
    for day, quantity in ((5, "100"), (20, "200")):
        town.use("ada-app", on(4, day), quantity)
    for day, quantity in ((10, "100"), (20, "300")):
        town.use("ada-app", on(7, day), quantity)
    made = town.subscribe(on(4, 1), "grow")
    assert made.standing.status == "TRIALING"
    assert made.standing.trial_ends_at == on(4, 15)
    assert phases_of(town, on(4, 1)) == [("04-01", "try"), ("04-15", "ramp"), ("07-15", None)]
    april, may, june, july, august = town.close(on(9, 1))
    assert lines_of(april) == [
        ("fee", "04-15..05-01", 5_33),  # 10.00 x 16 of 30 days
        ("tokens", "04-15..05-01", 4_00),  # 200 x 0.02; the 100 of the trial are free
    ]
    assert named(april) == ["ramp", "ramp"]
    assert invoice_document(april)["lines"][0]["phase"] == "ramp"
    for month in (may, june):
        assert lines_of(month)[0][2] == 10_00
    assert lines_of(july) == [
        ("fee", "07-01..07-15", 4_52),  # 10.00 x 14 of 31 days
        ("fee", "07-15..08-01", 16_45),  # 30.00 x 17 of 31 days
        ("tokens", "07-01..07-15", 2_00),  # 100 x 0.02
        ("tokens", "07-15..08-01", 3_00),  # 300 x 0.01
    ]
    assert named(july) == ["ramp", None, "ramp", None]
    assert "phase" not in invoice_document(july)["lines"][1]
    assert lines_of(august)[0] == ("fee", "08-01..09-01", 30_00)
    assert town.desk(on(9, 1)).find().standing.status == "ACTIVE"


def test_a_trial_that_sells_nothing_expires_before_the_ramp(build: Build) -> None:
    town = build(grow=GROW)
    town.use("ada-app", on(4, 5), "100")
    town.subscribe(on(4, 1), "grow", trial_converts=False)
    assert town.close(on(6, 1)) == []  # fees are waived, tokens free
    assert town.desk(on(6, 1)).find().standing.status == "EXPIRED"
    with pytest.raises(ValidationError, match="trial_converts: there is no trial"):
        town.subscribe(on(6, 1), "basic", slug="other", trial_converts=False)


def test_a_trial_of_ones_own_takes_the_place_of_the_plans(build: Build) -> None:
    town = build(grow=GROW, steps=STEPS)
    town.use("ada-app", on(4, 18), "100")
    town.subscribe(on(4, 1), "grow", trial_ends_at=on(4, 21))
    assert phases_of(town, on(4, 1)) == [("04-01", "try"), ("04-21", "ramp"), ("07-21", None)]
    town.subscribe(on(4, 1), "steps", payer="bob", slug="bob", trial_ends_at=on(4, 11))
    [ada, bob] = sorted(town.close(on(5, 1)), key=lambda each: each.lines[0].amount_minor)
    assert lines_of(ada) == [
        ("fee", "04-21..05-01", 3_33),  # 10.00 x 10 of 30 days
        ("tokens", "04-21..05-01", 0),
    ]
    assert lines_of(bob) == [("fee", "04-11..05-01", 6_67)]  # 10.00 x 20 of 30 days


def test_an_end_of_the_trial_before_its_time_begins_the_ramp(build: Build) -> None:
    town = build(grow=GROW)
    town.subscribe(on(4, 1), "grow")
    town.do(on(4, 6), Activate())
    assert phases_of(town, on(4, 6)) == [("04-01", "try"), ("04-06", "ramp"), ("07-06", None)]
    [april] = town.close(on(5, 1))
    assert lines_of(april)[0] == ("fee", "04-06..05-01", 8_33)  # 10.00 x 25 of 30 days


def test_periods_may_step_from_the_end_of_the_plans_trial(build: Build) -> None:
    town = build(grow=GROW)
    made = town.subscribe(on(4, 1), "grow", anchor="trial_end")
    assert made.anchor == on(4, 15)
    fees = [lines_of(each)[0] for each in town.close(on(6, 15))]
    assert fees == [  # whole periods of the ramp
        ("fee", "04-15..05-15", 10_00),
        ("fee", "05-15..06-15", 10_00),
    ]


def test_who_pays_first_has_no_trial(build: Build) -> None:
    town = build(grow=GROW)
    made = town.subscribe(on(4, 1), "grow", activation="payment")
    assert (made.standing.status, made.standing.terms) == ("FREE", ())
    paid = town.do(on(4, 3), Activate())
    assert paid.standing.status == "ACTIVE"
    assert phases_of(town, on(4, 3)) == [("04-03", "ramp"), ("07-03", None)]


def test_months_of_phases_step_from_the_31st(build: Build) -> None:
    town = build(steps=STEPS)
    town.subscribe(on(3, 1), "steps", start=on(1, 31))
    assert phases_of(town, on(3, 1)) == [("01-31", "first"), ("02-29", "second"), ("03-31", None)]
    # Periods step from the same day, so that each has one price: nothing is split.
    amounts = [lines_of(each) for each in town.close(on(5, 1))]
    assert amounts == [
        [("fee", "01-31..02-29", 10_00)],
        [("fee", "02-29..03-31", 20_00)],
        [("fee", "03-31..04-30", 30_00)],
    ]


def test_a_change_of_plan_within_a_ramp(build: Build) -> None:
    town = build(steps=STEPS)
    town.subscribe(on(4, 1), "steps")
    town.do(on(5, 16), Change(town.desk(on(4, 1)).version("pro")))
    town.subscribe(on(4, 1), "basic", payer="bob", slug="bob")
    town.do(on(4, 11), Change(town.desk(on(4, 1)).version("steps")), slug="bob")
    invoices = town.close(on(6, 1))
    bills = {
        slug: [
            line
            for each in invoices
            if each.subscription_id == town.desk(on(6, 1)).find(slug).id
            for line in lines_of(each)
            if line[0] == "fee"
        ]
        for slug in ("sub", "bob")
    }
    assert bills["sub"] == [
        ("fee", "04-01..05-01", 10_00),
        ("fee", "05-01..05-16", 9_68),  # 20.00 x 15 of 31 days
        ("fee", "05-16..06-01", 46_45),  # 90.00 x 16 of 31 days
    ]
    assert bills["bob"] == [
        ("fee", "04-01..04-11", 10_00),  # 30.00 x 10 of 30 days
        ("fee", "04-11..05-01", 6_67),  # the first month of its new plan: 10.00 x 20 of 30 days
        ("fee", "05-01..05-11", 3_23),  # 10.00 x 10 of 31 days
        ("fee", "05-11..06-01", 13_55),  # 20.00 x 21 of 31 days
    ]


def test_a_newer_version_goes_on_counting_and_its_equal_prices_go_on(build: Build) -> None:
    town = build(steps=STEPS)
    town.subscribe(on(4, 1), "steps")
    town.subscribe(on(3, 1), "basic", payer="bob", slug="bob")
    newer = {
        "steps": STEPS
        | {
            "phases": [
                phase("begin", "P1M", fee=flat("10.00")),
                phase("more", "P2M", fee=flat("15.00")),
            ]
        },
        "basic": {
            "rate_cards": [FEE, TOKENS],
            "phases": [phase("soft", "P2M", fee=flat("12.00"))],
        },
    }
    for slug, content in newer.items():
        sell(town, on(4, 16), slug, {"currency": "EUR", **content})
        acting = Acting(town.tenant_id, "story")
        clock = town.desk(on(4, 16)).clock
        report = migrate(town.database, clock, acting, slug, when="now")
        assert (report.moved, report.refused) == (1, [])
    mine = town.desk(on(8, 1)).find().id
    fees = [lines_of(each)[0] for each in town.close(on(8, 1)) if each.subscription_id == mine]
    assert fees == [
        ("fee", "04-01..05-01", 10_00),  # one line: the price is the same
        ("fee", "05-01..06-01", 15_00),
        ("fee", "06-01..07-01", 15_00),  # up to the third month since 1 April
        ("fee", "07-01..08-01", 30_00),
    ]
    terms = town.desk(on(8, 1)).find("bob").standing.terms
    # In its second month when the phase came: it has what is left of the two.
    assert [(each.phase, f"{each.start:%m-%d}") for each in terms] == [
        (None, "03-01"),
        ("soft", "04-16"),
        (None, "05-01"),
    ]


def test_tiers_go_on_over_a_phase_at_the_same_price_and_restart_at_another(build: Build) -> None:
    town = build(tiered=TIERED)
    for day in (5, 15, 25):
        town.use("ada-app", on(4, day), "100")
    town.subscribe(on(4, 1), "tiered")
    [april] = town.close(on(5, 1))
    assert lines_of(april) == [
        ("fee", "04-01..04-21", 10_00),  # 15.00 x 20 of 30 days: one price in both phases
        ("fee", "04-21..05-01", 10_00),  # 30.00 x 10 of 30 days
        ("tokens", "04-01..04-11", 10_00),  # 100 x 0.10
        ("tokens", "04-11..04-21", 10_00),  # 100 x 0.10 at a price of its own: tiers restart
        ("tokens", "04-21..05-01", 10_00),  # and once more
    ]
    assert named(april) == ["two", None, None, "two", None]


def test_a_percentage_and_tiers_know_nothing_of_phases_of_other_lines(build: Build) -> None:
    percent = card("share", {"model": "percent_of_lines", "percent": "10", "lines": ["fee"]})
    town = build(
        both={
            "rate_cards": [FEE, card("tokens", TIERS, meter="tokens"), percent],
            "phases": [phase("soft", "P10D", fee=flat("15.00"))],
        }
    )
    for day in (5, 25):
        town.use("ada-app", on(4, day), "100")
    town.subscribe(on(4, 1), "both")
    [april] = town.close(on(5, 1))
    assert lines_of(april) == [
        ("fee", "04-01..04-11", 5_00),  # 15.00 x 10 of 30 days
        ("fee", "04-11..05-01", 20_00),  # 30.00 x 20 of 30 days
        ("tokens", "04-01..05-01", 11_00),  # 100 x 0.10 + 100 x 0.01
        ("share", "04-01..05-01", 2_50),  # 10 % of both parts of the fee
    ]


def test_a_quantity_of_a_phase_holds_where_the_subscription_says_none(build: Build) -> None:
    town = build(seats=SEATS)
    town.subscribe(on(4, 1), "seats")
    town.subscribe(on(4, 1), "seats", payer="bob", slug="bob", quantities={"seats": Decimal(2)})
    amounts = sorted([line[2] for each in town.close(on(6, 1)) for line in lines_of(each)])
    assert amounts == [15_00, 30_00, 30_00, 45_00]  # 3 then 1 seats; 2 and 2


def test_a_price_of_ones_own_goes_before_that_of_the_phase(build: Build) -> None:
    town = build(steps=STEPS)
    town.subscribe(on(4, 1), "steps")
    said = {"slug": "deal", "customer": "ada", "start": on(4, 1), "end": on(5, 16)}
    body = parse_contract(said | {"prices": [{"key": "fee", "price": flat("6.00")}]})
    town.call(on(4, 1), lambda conn, clock: create_contract(conn, clock, town.tenant_id, body))
    april, may = town.close(on(6, 1))
    assert lines_of(april) == [("fee", "04-01..05-01", 6_00)]
    assert lines_of(may) == [
        ("fee", "05-01..05-16", 2_90),  # 6.00 x 15 of 31 days
        ("fee", "05-16..06-01", 10_32),  # 20.00 x 16 of 31 days
    ]
    assert named(may) == [None, "second"]


def test_who_comes_back_after_a_time_begins_anew_and_who_never_left_does_not(build: Build) -> None:
    town = build(steps=STEPS)
    town.subscribe(on(4, 1), "steps")
    town.do(on(4, 21), Cancel("now"))
    town.do(on(4, 21), Reactivate())
    assert phases_of(town, on(4, 21)) == [("04-01", "first"), ("05-01", "second"), ("06-01", None)]
    town.do(on(4, 22), Cancel("now"))
    town.do(on(5, 11), Reactivate())
    assert phases_of(town, on(5, 11)) == [
        ("04-01", "first"),
        ("05-11", "first"),
        ("06-11", "second"),
        ("07-11", None),
    ]


def test_what_is_bought_shows_the_phase_and_its_prices(build: Build) -> None:
    town = build(grow=GROW)
    made = town.subscribe(on(4, 1), "grow")

    def shown(at: datetime) -> dict[str, Any]:
        found = town.call(at, lambda conn, _: bought(conn, made, at))
        assert isinstance(found, dict)
        return found

    trying, ramp, full = shown(on(4, 2)), shown(on(4, 20)), shown(on(8, 1))
    assert (trying["trial"], trying["phase"]["key"]) == (True, "try")
    assert trying["phase"]["free_meters"] == ["tokens"]
    assert ramp["phase"]["name"] == "Ramp"
    cards = ramp["plan"]["rate_cards"]
    assert [(each["price"]["amount"], each["phase"]) for each in cards] == [
        ("10", "ramp"),
        ("0.02", "ramp"),
    ]
    assert full["phase"] is None
    assert [each["price"]["amount"] for each in full["plan"]["rate_cards"]] == ["30", "0.01"]
