"""What Ada agreed on beside her plan in spring 2024, each amount worked out beside its line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from core.errors import BusinessLogicError, ConflictError, ValidationError
from core.period import Period
from invoicing.document import invoice_document
from invoicing.model import Invoice
from subscriptions.commands import Change, PauseCommand
from subscriptions.contracts.body import parse_contract
from subscriptions.contracts.contract import Contract
from subscriptions.contracts.register import create_contract, end_contract
from tests.scenarios.stories.teller import PLANS, Town, card, fee, lines_of, on, tokens

MAY, JUNE, JULY = on(5, 1), on(6, 1), on(7, 1)
TOKEN = tokens("0.02")["price"]
CHEAP_TIERS = {
    "model": "graduated",
    "tiers": [{"up_to": "100", "unit_amount": "0.05"}, {"unit_amount": "0.02"}],
}


def flat(amount: str) -> dict[str, Any]:
    return {"model": "flat", "amount": amount}


def own(
    key: str, price: Mapping[str, Any], start: datetime, end: datetime | None = None, **more: Any
) -> dict[str, Any]:
    return {"key": key, "price": dict(price), "start": start, "end": end, **more}


def agree(town: Town, at: datetime, **said: Any) -> Contract:
    body = parse_contract({"slug": "deal", "customer": "ada", "start": at, **said})
    made = town.call(at, lambda conn, clock: create_contract(conn, clock, town.tenant_id, body))
    assert isinstance(made, Contract)
    return made


def end(town: Town, now: datetime, slug: str = "deal", **when: Any) -> Contract:
    ended = town.call(
        now, lambda conn, clock: end_contract(conn, clock, town.tenant_id, slug, **when)
    )
    assert isinstance(ended, Contract)
    return ended


def contract_of(invoice: Invoice) -> list[bool]:
    """Which lines have a contract's price or minimum."""
    return [line.contract_id is not None for line in invoice.lines]


@pytest.mark.req("CAT-08", "SUB-27")
def test_a_ramp_of_fees_and_then_the_list_price(town: Town) -> None:
    town.subscribe(on(4, 1), "basic")
    agree(
        town,
        on(4, 1),
        end=JULY,
        prices=[own("fee", flat("10.00"), on(4, 1), MAY), own("fee", flat("20.00"), MAY, JUNE)],
    )
    april, may, june = town.close(JULY)
    assert lines_of(april)[0] == ("fee", "04-01..05-01", 10_00)
    assert lines_of(may)[0] == ("fee", "05-01..06-01", 20_00)
    assert lines_of(june)[0] == ("fee", "06-01..07-01", 30_00)  # the plan's
    assert [contract_of(each)[0] for each in (april, may, june)] == [True, True, False]
    assert [each.lines[0].price_version for each in (april, may)] == [1, 2]
    shown = invoice_document(april)["lines"][0]
    assert shown["price"]["parameters"] == {"amount": "10"}
    assert shown["contract"].startswith("ctr_")


@pytest.mark.req("RAT-07", "CAT-08")
def test_a_price_of_adas_own_holds_from_its_start_only_and_up_to_its_end(town: Town) -> None:
    for day, quantity in ((5, "300"), (14, "150"), (25, "200")):
        town.use("ada-app", on(4, day), quantity)
        town.use("bob-app", on(4, day), quantity)
    town.subscribe(on(4, 1), "basic")
    town.subscribe(on(4, 1), "basic", payer="bob", slug="bob")
    agree(town, on(4, 11), prices=[own("tokens", CHEAP_TIERS, on(4, 11), on(4, 21))])
    april, bobs = sorted(town.close(MAY), key=lambda each: str(each.buyer["name"]))
    assert lines_of(april) == [
        ("fee", "04-01..05-01", 30_00),  # goes on: one line
        ("tokens", "04-01..04-11", 3_00),  # 300 x 0.01
        ("tokens", "04-11..04-21", 6_00),  # 100 x 0.05 + 50 x 0.02
        ("tokens", "04-21..05-01", 2_00),  # 200 x 0.01: the plan's again
    ]
    assert contract_of(april) == [False, False, True, False]
    assert lines_of(bobs)[1] == ("tokens", "04-01..05-01", 6_50)  # 650 x 0.01


def test_a_change_of_plan_leaves_a_price_of_any_plan_as_one_line(town: Town) -> None:
    town.use("ada-app", on(4, 5), "60")
    town.use("ada-app", on(4, 20), "60")
    town.subscribe(on(4, 1), "basic")
    agree(town, on(4, 1), prices=[own("tokens", CHEAP_TIERS, on(4, 1))])
    town.do(on(4, 11), Change(town.desk(MAY).version("pro")))
    [april] = town.close(MAY)
    assert lines_of(april) == [
        ("fee", "04-01..04-11", 10_00),  # 30.00 x 10 of 30 days
        ("fee", "04-11..05-01", 60_00),  # 90.00 x 20 of 30 days
        ("tokens", "04-01..05-01", 5_40),  # 100 x 0.05 + 20 x 0.02: tiers go on
    ]


def test_a_price_for_a_plan_goes_before_one_for_any_and_holds_for_that_plan_alone(
    town: Town,
) -> None:
    town.subscribe(on(4, 1), "basic")
    agree(
        town,
        on(4, 1),
        prices=[
            own("fee", flat("12.00"), on(4, 1)),
            own("fee", flat("45.00"), on(4, 1), plan="pro"),
        ],
    )
    town.do(on(4, 16), Change(town.desk(MAY).version("pro")))
    [april] = town.close(MAY)
    assert lines_of(april)[:2] == [
        ("fee", "04-01..04-16", 6_00),  # 12.00 x 15 of 30 days
        ("fee", "04-16..05-01", 22_50),  # 45.00 x 15 of 30 days
    ]


def test_a_contract_of_one_subscription_leaves_the_others_as_they_are(town: Town) -> None:
    town.subscribe(on(4, 1), "team", slug="one")
    town.subscribe(on(4, 1), "team", slug="two")
    agree(town, on(4, 1), subscription="one", prices=[own("fee", flat("1.00"), on(4, 1))])
    desk = town.desk(MAY)
    fees = {each.subscription_id: lines_of(each)[0][2] for each in town.close(MAY)}
    assert fees == {desk.find("one").id: 1_00, desk.find("two").id: 30_00}


def test_a_percentage_counts_both_parts_of_a_line_whose_price_changes(
    town: Town,
) -> None:
    support = {"model": "percent_of_lines", "percent": "10", "lines": ["fee"]}
    plans = {"helped": [fee("30.00"), card("support", support)]}
    town = Town.build(town.endpoints, town.database, town.rng, plans)
    town.subscribe(on(4, 1), "helped")
    agree(town, on(4, 16), prices=[own("fee", flat("60.00"), on(4, 16))])
    [april] = town.close(MAY)
    assert lines_of(april) == [
        ("fee", "04-01..04-16", 15_00),
        ("fee", "04-16..05-01", 30_00),
        ("support", "04-01..05-01", 4_50),  # 10 % of both
    ]


@pytest.mark.req("SUB-27")
def test_a_minimum_tops_up_what_lacks_and_nothing_where_enough_was_used(town: Town) -> None:
    town.use("ada-app", on(4, 5), "1000")
    town.use("ada-app", on(5, 5), "9000")
    town.subscribe(on(4, 1), "basic")
    agree(town, on(4, 1), name="Frame", subscription="sub", minimum="100.00")
    april, may, june = town.close(JULY)
    assert lines_of(april) == [
        ("fee", "04-01..05-01", 30_00),
        ("tokens", "04-01..05-01", 10_00),  # 1,000 x 0.01
        ("minimum", "04-01..05-01", 60_00),  # 100.00 - 40.00
    ]
    assert lines_of(may)[1:] == [("tokens", "05-01..06-01", 90_00)]  # 120.00 are enough
    assert lines_of(june)[1:] == [("tokens", "06-01..07-01", 0), ("minimum", "06-01..07-01", 70_00)]
    assert [each.total_minor for each in (april, may, june)] == [100_00, 120_00, 100_00]
    line = invoice_document(april)["lines"][2]
    assert (line["kind"], "true_up_of" in line) == ("true_up", False)
    assert line["description"] == "Frame: up to the minimum"
    assert line["price"]["parameters"] == {"amount": "100"}
    assert line["tiers"] == [
        {"step": "minimum", "amount": "100"},
        {"step": "billed", "amount": "-40"},
    ]


def test_a_minimum_of_a_part_of_a_month_takes_its_share(town: Town) -> None:
    town.use("ada-app", on(4, 5), "500")
    town.subscribe(on(4, 1), "basic")
    agree(town, on(4, 21), subscription="sub", minimum="200.00", end=on(5, 11))
    april, may = town.close(JUNE)
    assert lines_of(april) == [
        ("fee", "04-01..05-01", 30_00),
        ("tokens", "04-01..05-01", 5_00),
        ("minimum", "04-21..05-01", 31_67),  # 200.00 x 10 of 30 days = 66.67, less 35.00
    ]
    assert lines_of(may) == [
        ("fee", "05-01..06-01", 30_00),
        ("tokens", "05-01..06-01", 0),
        ("minimum", "05-01..05-11", 34_52),  # 200.00 x 10 of 31 days = 64.52, less 30.00
    ]


def test_two_minimums_of_one_month_come_to_both(town: Town) -> None:
    town.subscribe(on(4, 1), "basic")
    agree(town, on(4, 1), subscription="sub", minimum="50.00", end=on(4, 16))
    agree(town, on(4, 16), slug="next", subscription="sub", minimum="200.00")
    [april] = town.close(MAY)
    assert lines_of(april)[2:] == [
        # 50.00 x 15 of 30 days = 25.00: the fee of 30.00 is enough, and 5.00 are left
        ("minimum", "04-16..05-01", 95_00),  # 200.00 x 15 of 30 days = 100.00, less 5.00
    ]
    assert april.total_minor == 125_00


def test_no_minimum_is_due_in_a_trial_or_a_pause(town: Town) -> None:
    town.subscribe(on(4, 1), "basic", trial_ends_at=on(4, 16))
    agree(town, on(4, 1), subscription="sub", minimum="120.00")
    town.do(on(4, 26), PauseCommand())
    [april] = town.close(MAY)
    assert lines_of(april) == [
        ("fee", "04-16..04-26", 10_00),
        ("tokens", "04-01..04-26", 0),
        ("minimum", "04-16..04-26", 30_00),  # 120.00 x 10 of 30 days, less 10.00
    ]


def test_a_percentage_of_all_lines_counts_no_minimum(town: Town) -> None:
    support = {"model": "percent_of_lines", "percent": "10", "lines": ["*"]}
    plans = {"helped": [fee("30.00"), card("support", support)]}
    town = Town.build(town.endpoints, town.database, town.rng, plans)
    town.subscribe(on(4, 1), "helped")
    agree(town, on(4, 1), subscription="sub", minimum="100.00")
    [april] = town.close(MAY)
    assert [each[2] for each in lines_of(april)] == [30_00, 3_00, 67_00]


@pytest.mark.req("SUB-27")
def test_a_contract_ends_on_its_date_and_the_subscription_with_it(town: Town) -> None:
    town.subscribe(on(4, 1), "basic")
    agree(
        town,
        on(4, 1),
        end=on(5, 11),
        expires=True,
        subscription="sub",
        minimum="62.00",
        prices=[own("fee", flat("15.50"), on(4, 1))],
    )
    april, may = town.close(JULY)
    assert lines_of(april) == [
        ("fee", "04-01..05-01", 15_50),
        ("tokens", "04-01..05-01", 0),
        ("minimum", "04-01..05-01", 46_50),
    ]
    assert may.period == Period(MAY, on(5, 11))
    assert lines_of(may) == [
        ("fee", "05-01..05-11", 5_00),  # 15.50 x 10 of 31 days
        ("tokens", "05-01..05-11", 0),
        ("minimum", "05-01..05-11", 15_00),  # 62.00 x 10 of 31 days = 20.00, less 5.00
    ]
    assert town.desk(JULY).find().standing.status == "EXPIRED"


def test_a_contract_that_is_ended_early_gives_way_to_the_plan(town: Town) -> None:
    town.subscribe(on(4, 1), "basic")
    agree(
        town, on(4, 1), subscription="sub", minimum="90.00",
        prices=[own("fee", flat("15.00"), on(4, 1)), own("tokens", CHEAP_TIERS, MAY)],
    )  # fmt: skip
    ended = end(town, on(4, 11))
    assert (ended.ended_at, ended.end, len(ended.prices)) == (on(4, 11), None, 1)
    assert end(town, on(4, 12)) == ended, "again changes nothing"
    [april] = town.close(MAY)
    assert lines_of(april) == [
        ("fee", "04-01..04-11", 5_00),  # 15.00 x 10 of 30 days
        ("fee", "04-11..05-01", 20_00),  # 30.00 x 20 of 30 days
        ("tokens", "04-01..05-01", 0),
        ("minimum", "04-01..04-11", 5_00),  # 90.00 x 10 of 30 days, less 25.00
    ]
    assert town.desk(MAY).find().standing.status == "ACTIVE"


def test_ending_a_contract_that_expires_early_cancels_its_subscription(town: Town) -> None:
    town.subscribe(on(4, 1), "basic")
    agree(town, on(4, 1), end=JULY, expires=True, subscription="sub")
    end(town, on(4, 5), at=on(4, 21))
    [april] = town.close(MAY)
    assert lines_of(april)[0] == ("fee", "04-01..04-21", 20_00)
    assert town.desk(MAY).find().standing.status == "CANCELED"


def test_one_that_is_ended_before_it_begins_never_holds_and_lets_another_hold(town: Town) -> None:
    town.subscribe(on(4, 1), "basic")
    late = own("fee", flat("1.00"), on(4, 11))
    agree(town, on(4, 1), start=on(4, 11), prices=[late])
    assert end(town, on(4, 2)).ended_at == on(4, 11)
    agree(town, on(4, 2), slug="other", prices=[own("fee", flat("3.00"), on(4, 2))])
    [april] = town.close(MAY)
    assert lines_of(april)[:2] == [
        ("fee", "04-01..04-02", 1_00),
        ("fee", "04-02..05-01", 2_90),  # 3.00 x 29 of 30 days
    ]


def test_what_is_invoiced_stays(town: Town) -> None:
    town.subscribe(on(4, 1), "basic")
    agree(town, on(4, 1), slug="first", prices=[own("tokens", CHEAP_TIERS, on(4, 1))])
    town.close(MAY)
    prices = [own("fee", flat("1.00"), on(4, 30))]
    with pytest.raises(BusinessLogicError, match=r"start: .*'sub' is invoiced up to 2024-05-01"):
        agree(town, on(5, 2), start=on(4, 30), prices=prices)
    with pytest.raises(BusinessLogicError, match=r"at: .*'sub' is invoiced up to 2024-05-01"):
        end(town, on(5, 2), "first", at=on(4, 30))
    agree(town, on(5, 2), start=MAY, prices=[own("fee", flat("1.00"), MAY)])
    [may] = town.close(JUNE)
    assert lines_of(may)[0] == ("fee", "05-01..06-01", 1_00)


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        ({"prices": [own("fee", TOKEN, on(4, 1))]}, ValidationError, "is a fee, and per_unit"),
        ({"prices": [own("tokens", flat("1"), on(4, 1), on(4, 5))]}, ValidationError, "of a meter"),
        ({"prices": [own("fees", flat("1"), on(4, 1))]}, ValidationError, "no plan has a line"),
        (
            {"prices": [own("seats", flat("1"), on(4, 1), plan="basic")]},
            ValidationError,
            "'basic' never has a line",
        ),
        ({"prices": [own("fee", flat("1"), on(3, 31))]}, ValidationError, "before the contract"),
        (
            {"end": MAY, "prices": [own("fee", flat("1"), on(4, 1), JUNE)]},
            ValidationError,
            "the contract ends before",
        ),
        ({"end": on(4, 1)}, ValidationError, "end: .* is not after the start"),
        ({"minimum": "10"}, ValidationError, "minimum: say of which subscription"),
        ({"minimum": "-1", "subscription": "sub"}, ValidationError, "minimum.amount"),
        ({"expires": True, "subscription": "sub"}, ValidationError, "expires: .* no end"),
        ({"subscription": "sub", "customer": "bob"}, ValidationError, "'sub' is one of customer"),
        (
            {"prices": [own("fee", flat("1"), on(4, 1)), own("fee", flat("2"), on(4, 9))]},
            ConflictError,
            "'deal' and 'deal' would both price the line 'fee'",
        ),
        (
            {"prices": [own("tokens", CHEAP_TIERS, on(4, 9))]},
            ConflictError,
            "'first' and 'deal' would both price the line 'tokens' at 2024-04-09",
        ),
        (
            {"subscription": "sub", "minimum": "1"},
            ConflictError,
            "'first' and 'deal' would both set one",
        ),
        ({"slug": "first"}, ConflictError, "'first' exists already"),
    ],
)
def test_what_cannot_be_agreed_on(
    town: Town, said: dict[str, Any], error: type[Exception], message: str
) -> None:
    town.subscribe(on(4, 1), "basic")
    agree(
        town, on(4, 1), slug="first", subscription="sub", minimum="5",
        prices=[own("tokens", CHEAP_TIERS, on(4, 5))],
    )  # fmt: skip
    with pytest.raises(error, match=message):
        agree(town, on(4, 1), **said)


def test_a_plan_with_another_kind_of_line_is_not_sold_over_a_price(town: Town) -> None:
    """`fee` of the other plan is for usage: the promised flat amount would be no price for it."""
    odd = {**PLANS, "odd": [card("fee", TOKEN, meter="tokens")]}
    town = Town.build(town.endpoints, town.database, town.rng, odd)
    town.subscribe(on(4, 1), "basic")
    agree(town, on(4, 1), prices=[own("fee", flat("1.00"), on(4, 1), JUNE)])
    version = town.desk(MAY).version("odd")
    with pytest.raises(ValidationError, match="for the usage of a meter, and flat is no price"):
        town.do(on(4, 2), Change(version))
    town.do(on(4, 2), Change(version, when=JUNE))  # it is over by then
