"""One plan in euros, yen and dinars; each amount in minor units is worked out beside its line."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from catalog.plan_catalog import activate_draft, write_draft
from core.acting import Acting
from core.clock import ManualClock
from core.endpoints import Endpoints
from core.errors import BusinessLogicError, ConflictError
from core.money import Currency
from db.postgres import Connection, Database
from subscriptions.commands import Change
from subscriptions.contracts.body import parse_contract
from subscriptions.contracts.register import create_contract
from subscriptions.life.bought import bought
from subscriptions.life.migration import migrate
from tests.scenarios.stories.teller import PLANS, Content, Town, lines_of, on

JPY, KWD = Currency("JPY"), Currency("KWD")


def flat(amount: str) -> dict[str, Any]:
    return {"model": "flat", "amount": amount}


def per_unit(amount: str) -> dict[str, Any]:
    return {"model": "per_unit", "amount": amount}


WORLD = {
    "rate_cards": [
        {
            "key": "fee",
            "name": "Fee",
            "price": flat("30.00"),
            "prices": {"JPY": flat("4000"), "KWD": flat("9.500")},
        },
        {
            "key": "tokens",
            "name": "Tokens",
            "meter": "tokens",
            "prices": {
                "EUR": per_unit("0.01"),
                "JPY": per_unit("1.5"),
                "KWD": per_unit("0.0035"),
            },
        },
    ]
}
RAMP = {
    "rate_cards": [
        {"key": "fee", "name": "Fee", "price": flat("30.00"), "prices": {"JPY": flat("4000")}}
    ],
    "phases": [
        {
            "key": "soft",
            "name": "Soft",
            "lasts": "P1M",
            "prices": [
                {"key": "fee", "prices": {"EUR": flat("10.00"), "JPY": flat("1300")}},
            ],
        }
    ],
}


@pytest.fixture
def town(installation: Endpoints, seed: int) -> Iterator[Town]:
    with Database(installation.postgres) as database:
        plans: dict[str, Content] = {**PLANS, "world": WORLD, "ramp": RAMP}
        yield Town.build(installation, database, random.Random(seed), plans)


def test_each_subscription_is_billed_in_its_own_currency(town: Town) -> None:
    for payer in ("ada", "bob"):
        town.use(f"{payer}-app", on(4, 20), "333")
    town.use("more-app", on(4, 20), "333")
    town.subscribe(on(4, 1), "world", slug="euros", subjects=["ada-app"])
    yen = town.subscribe(on(4, 11), "world", payer="bob", slug="yen", anchor=on(4, 1), currency=JPY)
    assert yen.currency == JPY
    found = {each.currency.code: lines_of(each) for each in town.close(on(5, 1))}
    assert found["EUR"] == [("fee", "04-01..05-01", 30_00), ("tokens", "04-01..05-01", 3_33)]
    assert found["JPY"] == [
        ("fee", "04-11..05-01", 2667),  # 4000 x 20 of 30 days: 2666.67
        ("tokens", "04-11..05-01", 500),  # 333 x 1.5: 499.5
    ]


def test_three_digits(town: Town) -> None:
    town.use("ada-app", on(4, 20), "333")
    town.subscribe(on(4, 11), "world", anchor=on(4, 1), currency=KWD)
    [april] = town.close(on(5, 1))
    assert lines_of(april) == [
        ("fee", "04-11..05-01", 6_333),  # 9.500 x 20 of 30 days: 6.3333
        ("tokens", "04-11..05-01", 1_166),  # 333 x 0.0035: 1.1655
    ]
    assert april.total_minor == 7_499


def test_a_ramp_has_prices_in_each_currency(town: Town) -> None:
    town.subscribe(on(4, 1), "ramp", currency=JPY)
    assert [lines_of(each)[0][2] for each in town.close(on(6, 1))] == [1300, 4000]


def test_what_is_not_sold_in_a_currency_is_refused(town: Town) -> None:
    with pytest.raises(BusinessLogicError, match="'world' is priced in EUR and JPY and KWD, "):
        town.subscribe(on(4, 1), "world", currency=Currency("USD"))
    town.subscribe(on(4, 1), "world", currency=JPY)
    version = town.desk(on(4, 1)).version
    with pytest.raises(BusinessLogicError, match=r"'pro' is priced in EUR, .* pays in JPY"):
        town.do(on(4, 2), Change(version("pro")))
    changed = town.do(on(4, 2), Change(version("ramp")))
    assert (changed.plan, changed.currency) == ("ramp", JPY)


def test_who_pays_in_what_a_new_version_is_not_sold_in_stays_where_it_is(town: Town) -> None:
    town.subscribe(on(4, 1), "ramp", slug="yen", currency=JPY)
    town.subscribe(on(4, 1), "ramp", payer="bob", slug="euros")
    fee = {"key": "fee", "name": "Fee", "price": flat("31.00")}

    def sell(conn: Connection, clock: ManualClock) -> None:
        write_draft(conn, clock, town.tenant_id, "ramp", {"currency": "EUR", "rate_cards": [fee]})
        activate_draft(conn, clock, town.tenant_id, "ramp")

    town.call(on(4, 2), sell)
    acting = Acting(town.tenant_id, "story")
    report = migrate(town.database, town.desk(on(4, 2)).clock, acting, "ramp")
    assert (report.moved, report.refused_count) == (1, 1)
    assert report.refused[0].subscription == "yen"
    assert "is priced in EUR, subscription 'yen' pays in JPY" in report.refused[0].message
    assert town.desk(on(4, 2)).find("yen").plan_number == 1


def test_a_contract_is_in_the_currency_of_its_subscription_or_customer(town: Town) -> None:
    town.subscribe(on(4, 1), "ramp", slug="yen", currency=JPY)
    town.subscribe(on(4, 1), "ramp", slug="euros")

    def agree(slug: str, amount: str, **said: Any) -> Any:
        price = {"key": "fee", "price": flat(amount)}
        body = parse_contract(
            {"slug": slug, "customer": "ada", "start": on(4, 1), "prices": [price], **said}
        )
        return town.call(
            on(4, 1), lambda conn, clock: create_contract(conn, clock, town.tenant_id, body)
        )

    agree("all", "5.00")  # in euros, so it is about what is billed in euros
    agree("own", "900", subscription="yen", minimum="1000")
    with pytest.raises(ConflictError, match="contracts 'own' and 'again'"):
        agree("again", "800", subscription="yen")
    found = {each.currency.code: lines_of(each) for each in town.close(on(5, 1))}
    assert found["EUR"] == [("fee", "04-01..05-01", 5_00)]
    assert found["JPY"] == [("fee", "04-01..05-01", 900), ("minimum", "04-01..05-01", 100)]


def test_what_is_bought_is_shown_in_its_currency(town: Town) -> None:
    made = town.subscribe(on(4, 1), "world", currency=JPY)
    shown = town.call(on(4, 2), lambda conn, _: bought(conn, made, on(4, 2)))["plan"]
    assert shown["currency"] == "JPY"
    assert [each["price"]["amount"] for each in shown["rate_cards"]] == ["4000", "1.5"]
    assert not {"currencies", "phases", "prices"} & {*shown, *shown["rate_cards"][0]}
