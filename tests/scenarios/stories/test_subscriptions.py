"""What became of Ada and Bob in April 2024, to the cent, each amount worked out beside its line."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.period import Period
from subscriptions.commands import (
    Cancel,
    Change,
    Extend,
    PauseCommand,
    Payment,
    Reactivate,
    Resume,
)
from subscriptions.customers.customer import find_customer
from subscriptions.customers.subjects import link_subject
from tests.scenarios.stories.teller import Town, lines_of, on

MAY = on(5, 1)


@pytest.mark.req("SUB-03", "SUB-17")
def test_a_trial_becomes_a_sale(town: Town) -> None:
    town.use("ada-app", on(4, 5), "100")
    town.use("ada-app", on(4, 20), "200")
    made = town.subscribe(on(4, 1), "basic", trial_ends_at=on(4, 15))
    assert (made.standing.status, made.standing.trial_ends_at) == ("TRIALING", on(4, 15))
    [invoice] = town.close(MAY)
    assert lines_of(invoice) == [
        ("fee", "04-15..05-01", 16_00),  # 30.00 x 16 of 30 days: a trial waives the fee
        ("tokens", "04-01..05-01", 3_00),  # 300 x 0.01: usage is not waived
    ]
    assert town.desk(MAY).find().standing.status == "ACTIVE"


@pytest.mark.req("SUB-08", "SUB-17")
def test_a_trial_that_sells_nothing_expires_and_bills_what_was_used(town: Town) -> None:
    town.use("ada-app", on(4, 5), "100")
    town.use("ada-app", on(4, 20), "200")
    town.subscribe(on(4, 1), "basic", trial_ends_at=on(4, 15), trial_converts=False)
    [invoice] = town.close(on(4, 15))
    assert invoice.period == Period(on(4, 1), on(4, 15))
    assert lines_of(invoice) == [("tokens", "04-01..04-15", 1_00)]
    assert town.desk(MAY).find().standing.status == "EXPIRED"
    assert town.close(on(6, 1)) == []


@pytest.mark.req("SUB-02", "SUB-04")
def test_what_waits_for_its_first_payment_is_billed_from_then_on(town: Town) -> None:
    town.use("ada-app", on(4, 5), "100")
    town.use("ada-app", on(4, 20), "200")
    assert town.subscribe(on(4, 1), "basic", activation="payment").standing.status == "FREE"
    assert town.do(on(4, 16), Payment(succeeded=True)).standing.status == "ACTIVE"
    [invoice] = town.close(MAY)
    assert lines_of(invoice) == [
        ("fee", "04-16..05-01", 15_00),  # 30.00 x 15 of 30 days
        ("tokens", "04-16..05-01", 2_00),
    ]


def test_an_upgrade_splits_the_month(town: Town) -> None:
    town.use("ada-app", on(4, 5), "150")
    town.use("ada-app", on(4, 20), "150")
    town.subscribe(on(4, 1), "basic")
    town.do(on(4, 11), Change(town.desk(MAY).version("pro")))
    [april] = town.close(MAY)
    assert lines_of(april) == [
        ("fee", "04-01..04-11", 10_00),  # 30.00 x 10 of 30 days
        ("fee", "04-11..05-01", 60_00),  # 90.00 x 20 of 30 days
        ("tokens", "04-01..04-11", 1_50),  # 150 x 0.01
        ("tokens", "04-11..05-01", 10_50),  # tiers begin anew: 100 x 0.10 + 50 x 0.01
    ]
    assert (april.plan["name"], april.total_minor) == ("Pro", 82_00)


@pytest.mark.req("SUB-18")
def test_a_downgrade_waits_for_the_end_of_the_month(town: Town) -> None:
    town.use("ada-app", on(4, 20), "150")
    town.use("ada-app", on(5, 2), "150")
    town.subscribe(on(4, 1), "pro")
    planned = town.do(on(4, 15), Change(town.desk(MAY).version("basic"), when="period_end"))
    assert (planned.plan, [each.start for each in planned.standing.terms]) == (
        "pro",
        [on(4, 1), on(5, 1)],
    )
    april, may = [*town.close(MAY), *town.close(on(6, 1))]
    assert lines_of(april) == [("fee", "04-01..05-01", 90_00), ("tokens", "04-01..05-01", 10_50)]
    assert lines_of(may) == [("fee", "05-01..06-01", 30_00), ("tokens", "05-01..06-01", 1_50)]
    assert town.desk(on(6, 1)).find().plan == "basic"


def test_seats_are_billed_for_the_days_on_which_they_were_agreed(town: Town) -> None:
    town.subscribe(on(4, 1), "team", quantities={"seats": Decimal(2)})
    town.do(on(4, 16), Change(quantities={"seats": Decimal(5)}))
    [april] = town.close(MAY)
    assert lines_of(april) == [
        ("fee", "04-01..05-01", 30_00),  # goes on: one line
        ("seats", "04-01..04-16", 15_00),  # 2 x 15.00 x 15 of 30 days
        ("seats", "04-16..05-01", 37_50),  # 5 x 15.00 x 15 of 30 days
    ]


def test_a_pause_bills_nothing_and_what_follows_goes_on(town: Town) -> None:
    for day, quantity in ((5, "100"), (15, "500"), (25, "200")):
        town.use("ada-app", on(4, day), quantity)
    town.subscribe(on(4, 1), "basic")
    town.do(on(4, 11), PauseCommand())
    town.do(on(4, 21), Resume())
    [april] = town.close(MAY)
    assert lines_of(april) == [
        ("fee", "04-01..04-11", 10_00),
        ("fee", "04-21..05-01", 10_00),
        ("tokens", "04-01..04-11", 1_00),
        ("tokens", "04-21..05-01", 2_00),
    ]


def test_a_pause_of_the_service_alone_is_billed(town: Town) -> None:
    town.subscribe(on(4, 1), "basic")
    town.do(on(4, 11), PauseCommand(billing=False))
    [april] = town.close(MAY)
    assert lines_of(april)[0] == ("fee", "04-01..05-01", 30_00)


def test_a_month_that_is_paused_from_end_to_end_makes_no_invoice(town: Town) -> None:
    town.subscribe(on(4, 1), "basic")
    town.do(on(4, 21), PauseCommand(until=on(6, 11)))
    april, june = town.close(on(7, 1))
    assert lines_of(april)[0] == ("fee", "04-01..04-21", 20_00)
    assert lines_of(june)[0] == ("fee", "06-11..07-01", 20_00)


@pytest.mark.req("SUB-07", "SUB-10", "SUB-18")
def test_ada_leaves_pays_the_rest_and_comes_back(town: Town) -> None:
    for day, quantity in ((5, "100"), (15, "500"), (25, "200")):
        town.use("ada-app", on(4, day), quantity)
    town.subscribe(on(4, 1), "basic")
    town.do(on(4, 11), Cancel("now"))
    [last] = town.close(on(4, 11))
    assert last.period == Period(on(4, 1), on(4, 11))
    assert lines_of(last) == [("fee", "04-01..04-11", 10_00), ("tokens", "04-01..04-11", 1_00)]
    assert town.close(on(4, 21)) == []
    town.do(on(4, 21), Reactivate())
    [april] = town.close(MAY)
    assert april.period == Period(on(4, 21), MAY)
    assert lines_of(april) == [("fee", "04-21..05-01", 10_00), ("tokens", "04-21..05-01", 2_00)]
    [may] = town.close(on(6, 1))
    assert may.period == Period(MAY, on(6, 1)), "periods step from the first anchor"


def test_ada_comes_back_before_her_last_month_was_billed(town: Town) -> None:
    town.subscribe(on(4, 1), "basic")
    town.do(on(4, 11), Cancel("now"))
    town.do(on(4, 21), Reactivate(town.desk(MAY).version("pro")))
    [april] = town.close(MAY)
    assert lines_of(april)[:2] == [
        ("fee", "04-01..04-11", 10_00),
        ("fee", "04-21..05-01", 30_00),  # 90.00 x 10 of 30 days
    ]


@pytest.mark.req("SUB-21")
def test_an_ended_and_a_live_subscription_stand_side_by_side(town: Town) -> None:
    town.subscribe(on(4, 1), "basic", slug="old")
    town.do(on(4, 11), Cancel("now"), "old")
    town.subscribe(on(4, 11), "pro", slug="new")
    first, second = town.close(on(5, 11))
    assert [lines_of(each)[0] for each in (first, second)] == [
        ("fee", "04-01..04-11", 10_00),
        ("fee", "04-11..05-11", 90_00),
    ]


def test_a_contract_ends_on_its_date_unless_it_is_extended(town: Town) -> None:
    town.subscribe(on(4, 1), "basic", slug="ends", expires_at=on(5, 11))
    town.subscribe(on(4, 1), "basic", payer="bob", slug="goes-on", expires_at=on(5, 11))
    town.do(on(4, 20), Extend(None), "goes-on")
    found = {
        (each.customer_id, each.period.start): lines_of(each)[0] for each in town.close(on(6, 1))
    }
    desk = town.desk(on(6, 1))
    ended, lasting = desk.find("ends"), desk.find("goes-on")
    assert found == {
        (ended.customer_id, on(4, 1)): ("fee", "04-01..05-01", 30_00),
        (ended.customer_id, on(5, 1)): ("fee", "05-01..05-11", 9_68),  # 30.00 x 10 of 31 days
        (lasting.customer_id, on(4, 1)): ("fee", "04-01..05-01", 30_00),
        (lasting.customer_id, on(5, 1)): ("fee", "05-01..06-01", 30_00),
    }
    assert (ended.standing.status, lasting.standing.status) == ("EXPIRED", "ACTIVE")


@pytest.mark.req("SUB-05", "SUB-06", "SUB-07")
def test_payments_fail_until_the_grace_is_over(town: Town) -> None:
    town.subscribe(on(4, 1), "basic")
    told = []
    for day in (2, 3, 6, 11):
        found = town.do(on(4, day), Payment(succeeded=False)).standing
        told.append((found.status, found.retry_at, found.grace_ends_at))
    assert told == [
        ("PAST_DUE", on(4, 3), None),  # retried after 1 day,
        ("PAST_DUE", on(4, 6), None),  # 3 more
        ("PAST_DUE", on(4, 11), None),  # and 5 more,
        ("GRACE_PERIOD", None, on(4, 18)),  # then a week of grace
    ]
    [last] = town.close(MAY)
    assert lines_of(last)[0] == ("fee", "04-01..04-18", 17_00)
    assert town.desk(MAY).find().standing.status == "CANCELED"


def test_a_subject_moves_to_another_customer_within_a_month(town: Town) -> None:
    for day, quantity in ((5, "100"), (15, "500"), (25, "200")):
        town.use("ada-app", on(4, day), quantity)
    town.subscribe(on(4, 1), "basic", slug="ada")
    town.subscribe(on(4, 1), "basic", payer="bob", slug="bob")
    town.call(
        on(4, 16),
        lambda conn, clock: link_subject(
            conn,
            clock,
            find_customer(conn, town.tenant_id, "bob"),
            "ada-app",
            on(4, 16),
            move=True,
        ),
    )
    found = {str(each.buyer["name"]): lines_of(each) for each in town.close(MAY)}
    assert found == {
        "Ada": [("fee", "04-01..05-01", 30_00), ("tokens", "04-01..05-01", 6_00)],
        "Bob": [("fee", "04-01..05-01", 30_00), ("tokens", "04-01..05-01", 2_00)],
    }


def test_a_calendar_anchor_makes_a_short_first_month(town: Town) -> None:
    town.subscribe(on(4, 21), "basic", anchor="calendar")
    april, may = town.close(on(6, 1))
    assert lines_of(april)[0] == ("fee", "04-21..05-01", 10_00)
    assert lines_of(may)[0] == ("fee", "05-01..06-01", 30_00)
