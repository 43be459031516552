"""Phases of plans and prices in several currencies: written, refused by path, shown, told apart."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from catalog.meters import MeterDefinition, create_meter
from catalog.plan_catalog import PlanLabels, activate_draft, create_plan, write_draft
from catalog.plan_document import parse_content, terms_of
from catalog.plan_view import find_plan, find_version
from core.clock import ManualClock
from core.errors import TollbookError
from core.ids import MeterId, TenantId
from core.money import Currency
from db.postgres import Database
from identity.tenants import ensure_tenant

TOKENS = MeterDefinition(
    MeterId(UUID(int=7)), TenantId(UUID(int=1)), "tokens", "T", ("t",), "count", None, 1
)
METERS = {"tokens": TOKENS}


def flat(amount: str) -> dict[str, Any]:
    return {"model": "flat", "amount": amount}


def per_unit(amount: str) -> dict[str, Any]:
    return {"model": "per_unit", "amount": amount}


PLAIN: dict[str, Any] = {
    "currency": "USD",
    "rate_cards": [
        {"key": "fee", "name": "Fee", "price": flat("99.00"), "cadence": "yearly"},
        {
            "key": "tokens",
            "name": "Tokens",
            "meter": "tokens",
            "price": {"model": "per_unit", "amount": "3.00", "per": 1_000_000},
        },
        {"key": "seats", "name": "Seats", "quantity": "2", "price": per_unit("9.00")},
    ],
}
PLAIN_HASH = "754b953e166c1742275b49ef509c565c39ca8870a4bfa578b3e5451f973d63ae"
"""What the first release that knew quantities made of it."""

RICH: dict[str, Any] = {
    "currency": "EUR",
    "rate_cards": [
        {"key": "fee", "name": "Fee", "price": flat("30.00"), "prices": {"JPY": flat("4000")}},
        {
            "key": "tokens",
            "name": "Tokens",
            "meter": "tokens",
            "prices": {"EUR": per_unit("0.010"), "JPY": per_unit("1.5")},
        },
        {
            "key": "seats",
            "name": "Seats",
            "quantity": "1",
            "price": per_unit("5"),
            "prices": {"JPY": per_unit("700")},
        },
    ],
    "phases": [
        {
            "key": "try",
            "name": "Try it",
            "lasts": "P14D",
            "trial": True,
            "free_meters": ["tokens"],
        },
        {
            "key": "ramp",
            "name": "Ramp",
            "lasts": "P3M",
            "prices": [{"key": "fee", "price": flat("10.00"), "prices": {"JPY": flat("1300")}}],
            "quantities": {"seats": "3.0"},
        },
        {"key": "full", "name": "Full"},
    ],
}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def tenant_id(database: Database, clock: ManualClock) -> TenantId:
    with database.transaction() as conn:
        made = ensure_tenant(conn, clock, "acme", "Acme")[0].id
        create_meter(
            conn, clock, made, slug="tokens", name="T", event_type="t", aggregation="count"
        )
    return made


def rich(*path: str | int, to: Any) -> dict[str, Any]:
    """The rich plan with something else at a path; None leaves it out."""
    made = copy.deepcopy(RICH)
    here: Any = made
    for step in path[:-1]:
        here = here[step]
    if to is None:
        del here[path[-1]]
    else:
        here[path[-1]] = to
    return made


def hash_of(content: dict[str, Any]) -> str:
    return terms_of(parse_content(content), METERS, {}).content_hash


def test_plans_of_before_keep_their_hash() -> None:
    assert hash_of(PLAIN) == PLAIN_HASH
    assert hash_of(PLAIN | {"phases": []}) == PLAIN_HASH
    alone = copy.deepcopy(PLAIN)
    alone["rate_cards"][0]["prices"] = {"USD": alone["rate_cards"][0].pop("price")}
    assert hash_of(alone) == PLAIN_HASH  # the same, written otherwise


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("rate_cards", 0, "prices", "JPY", "amount"), "4001"),
        (("phases", 0, "lasts"), "P15D"),
        (("phases", 0, "trial"), None),
        (("phases", 0, "free_meters"), None),
        (("phases", 1, "name"), "Soft"),
        (("phases", 1, "key"), "soft"),
        (("phases", 1, "prices", 0, "price", "amount"), "11.00"),
        (("phases", 1, "prices", 0, "prices", "JPY", "amount"), "1301"),
        (("phases", 1, "quantities"), {"seats": "4"}),
        (("phases", 2), None),
    ],
)
def test_whatever_changes_is_another_content(path: tuple[str | int, ...], to: Any) -> None:
    changed = rich(*path, to=to)
    if path[-1] == "trial":
        del changed["phases"][0]["free_meters"]
        without = rich("phases", 0, "free_meters", to=None)
        assert hash_of(changed) != hash_of(without)
    assert hash_of(changed) != hash_of(RICH)
    assert hash_of(rich("phases", 1, "quantities", to={"seats": "3"})) == hash_of(RICH)


@pytest.mark.parametrize(
    ("path", "to", "message"),
    [
        (("rate_cards", 0, "price"), None, r"rate_cards\[0\].price: missing; add it, in EUR"),
        (
            ("rate_cards", 1, "price"),
            per_unit("1"),
            r"rate_cards\[1\].prices.EUR: `price` is in EUR already",
        ),
        (("rate_cards", 1, "prices", "JPY"), None, "rate_cards: line 'tokens' has no price in JPY"),
        (
            ("rate_cards", 0, "prices", "XXQ"),
            flat("1"),
            r"rate_cards\[0\].prices.XXQ.currency: ",
        ),
        (
            ("rate_cards", 0, "prices", "JPY", "amount"),
            "-1",
            r"rate_cards\[0\].prices.JPY.amount: ",
        ),
        (
            ("rate_cards", 0, "prices", "JPY"),
            {"model": "percent_of_lines", "percent": "1", "lines": ["tokens"]},
            "price: line 'fee' is a fee, and percent_of_lines is no price for that",
        ),
        (
            ("phases", 1, "prices", 0, "prices"),
            None,
            r"phases\[1\].prices: line 'fee' has no price in JPY",
        ),
        (
            ("phases", 1, "prices", 0, "price"),
            per_unit("1"),
            r"phases\[1\].price: line 'fee' is a fee, and per_unit is no price for that",
        ),
        (("phases", 1, "prices", 0, "key"), "nothing", r"phases\[1\].prices: .*no line 'nothing'"),
        (("phases", 1, "quantities"), {"fee": "1"}, r"phases\[1\].quantities.fee: .*it has: seats"),
        (("phases", 1, "quantities"), {"seats": "x"}, r"phases\[1\].quantities.seats: 'x' is no"),
        (("phases", 1, "lasts"), None, r"phases\[1\].lasts: phase 'ramp' never ends"),
        (
            ("phases", 1, "lasts"),
            "monthly",
            r"phases\[1\].lasts: write up to 10 years such as P14D",
        ),
        (("phases", 1, "lasts"), "P0D", r"phases\[1\].lasts: write up to 10 years"),
        (("phases", 1, "trial"), True, r"phases\[1\].trial: phase 'ramp' is not the first"),
        (("phases", 0, "trial"), None, r"phases\[0\].free_meters: only a trial has them"),
        (("phases", 0, "free_meters"), ["x"], r"phases\[0\].free_meters: there is none called 'x'"),
        (("phases", 1, "key"), "try", r"phases\[1\].key: two phases are called 'try'"),
        (("phases", 1, "key"), "No Slug", r"phases\[1\].key: "),
        (("phases",), [RICH["phases"][0] | {"lasts": None}], r"phases\[0\].lasts: a trial ends"),
        (("phases", 0, "price"), "1", r"phases\[0\].price: there is no such field"),
    ],
)
def test_what_cannot_be_is_refused_by_path(
    path: tuple[str | int, ...], to: Any, message: str
) -> None:
    with pytest.raises(TollbookError, match=f"^{message}"):
        hash_of(rich(*path, to=to))


def test_a_plan_has_not_too_many_prices() -> None:
    cards = [{"key": f"l{n}", "name": "L", "price": flat("1")} for n in range(500)]
    prices = [{"key": f"l{n}", "price": flat("2")} for n in range(500)]
    phases = [{"key": f"p{n}", "name": "P", "lasts": "P1M", "prices": prices} for n in range(10)]
    content = {"currency": "EUR", "rate_cards": cards, "phases": phases}
    with pytest.raises(TollbookError, match=r"^rate_cards: a plan has at most 5,000 prices"):
        hash_of(content)


def test_a_meter_without_a_line_is_not_free() -> None:
    content = copy.deepcopy(RICH)
    del content["rate_cards"][1]
    with pytest.raises(TollbookError, match=r"^phases\[0\].free_meters: no line of the plan"):
        hash_of(content)


def test_percentages_that_wait_for_each_other_in_a_phase_are_refused() -> None:
    def share(key: str, of: str) -> dict[str, Any]:
        price = {"model": "percent_of_lines", "percent": "1", "lines": [of]}
        return {"key": key, "name": key, "price": price}

    content: dict[str, Any] = {
        "currency": "EUR",
        "rate_cards": [
            {"key": "fee", "name": "Fee", "price": flat("1")},
            share("one", "fee"),
            share("two", "one"),
        ],
        "phases": [{"key": "p", "name": "P", "lasts": "P1M", "prices": [share("one", "two")]}],
    }
    del content["phases"][0]["prices"][0]["name"]
    with pytest.raises(TollbookError, match=r"^phases\[0\].rate_cards: "):
        hash_of(content)


def test_an_addon_has_no_phases(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    phases = [{"key": "p", "name": "P"}]
    content = {"currency": "EUR", "rate_cards": [RICH["rate_cards"][2]], "phases": phases}
    with (
        pytest.raises(TollbookError, match=r"^phases: an add-on has none"),
        database.transaction() as conn,
    ):
        create_plan(conn, clock, tenant_id, "more", PlanLabels(), content, "addon")


@pytest.mark.req("CAT-01")
def test_a_version_shows_currencies_and_phases_as_they_were_written(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        create_plan(conn, clock, tenant_id, "world", PlanLabels(), RICH)
        sold = activate_draft(conn, clock, tenant_id, "world")
        shown = find_version(conn, tenant_id, "world", 1)
    assert sold.prices == {
        "monthly": {
            "amount": "30",
            "currency": "EUR",
            "others": [{"amount": "4000", "currency": "JPY"}],
        }
    }
    assert (shown["currency"], shown["currencies"]) == ("EUR", ["EUR", "JPY"])
    fee, tokens, _ = shown["rate_cards"]
    assert (fee["price"]["amount"], fee["prices"]["JPY"]["amount"]) == ("30", "4000")
    assert (tokens["price"]["amount"], tokens["prices"]["JPY"]["amount"]) == ("0.01", "1.5")
    trying, ramp, full = shown["phases"]
    assert (trying["key"], trying["lasts"], trying["trial"]) == ("try", "P14D", True)
    assert trying["free_meters"] == ["tokens"]
    assert (ramp["lasts"], ramp["quantities"]) == ("P3M", {"seats": "3"})
    [special] = ramp["prices"]
    assert (special["key"], special["price"]["amount"]) == ("fee", "10")
    assert special["prices"]["JPY"]["amount"] == "1300"
    # The line has had four prices: in two currencies, with and without the ramp.
    prices = [fee["price"], fee["prices"]["JPY"], special["price"], special["prices"]["JPY"]]
    assert sorted(each["version"] for each in prices) == [1, 2, 3, 4]
    assert (full["lasts"], full["prices"], full["trial"]) == (None, [], False)


def test_equal_prices_are_one_and_others_are_the_next_of_the_line(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    first = rich("phases", 1, "prices", 0, "price", to=flat("30.00"))  # that of the plan
    second = rich("rate_cards", 0, "prices", "JPY", to=flat("4100"))
    with database.transaction() as conn:
        create_plan(conn, clock, tenant_id, "world", PlanLabels(), first)
        activate_draft(conn, clock, tenant_id, "world")
        write_draft(conn, clock, tenant_id, "world", second)
        assert activate_draft(conn, clock, tenant_id, "world").sold == 2
        one, two = (find_version(conn, tenant_id, "world", number) for number in (1, 2))
        # And the draft that says what is sold already makes no version.
        write_draft(conn, clock, tenant_id, "world", second)
        assert activate_draft(conn, clock, tenant_id, "world").sold == 2
        assert find_plan(conn, tenant_id, "world").draft is None
    in_phase = one["phases"][1]["prices"][0]
    assert in_phase["price"] == one["rate_cards"][0]["price"]
    assert two["rate_cards"][0]["price"] == one["rate_cards"][0]["price"]
    assert two["phases"][1]["prices"][0]["prices"] == in_phase["prices"]
    assert one["rate_cards"][0]["prices"]["JPY"]["version"] == 2
    # 30.00 EUR, 4000 JPY, 1300 JPY were before.
    assert two["rate_cards"][0]["prices"]["JPY"]["version"] == 4
    assert two["phases"][1]["prices"][0]["price"]["version"] == 5


def test_what_a_plan_is_sold_in_are_all_that_some_price_is_in() -> None:
    terms = terms_of(parse_content(RICH), METERS, {})
    assert terms.currencies == (Currency("EUR"), Currency("JPY"))
    yen = terms.cards_in(Currency("JPY"), terms.phases[1])
    assert [each.price.parameters["amount"] for each in yen] == ["1300", "1.5", "700"]
