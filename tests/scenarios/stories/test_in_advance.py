"""Fees in advance and cycles of their own, to the cent, each amount worked out beside its line."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from core.endpoints import Endpoints
from core.errors import BusinessLogicError
from core.period import Period
from db.outbox import changes_after
from db.postgres import Database
from subscriptions.commands import Cancel, Change, PauseCommand, Reactivate
from tests.scenarios.stories.teller import Town, card, lines_of, on, tokens

APRIL, MAY, JUNE = on(4, 1), on(5, 1), on(6, 1)
ADVANCE = {"timing": "in_advance"}

Plans = Mapping[str, list[dict[str, Any]]]


def fee(amount: str, key: str = "fee", **more: Any) -> dict[str, Any]:
    return card(key, {"model": "flat", "amount": amount}, **(ADVANCE | more))


def seats(amount: str, **more: Any) -> dict[str, Any]:
    price = {"model": "per_unit", "amount": amount}
    return card("seats", price, quantity="1", **(ADVANCE | more))


PLANS: Plans = {
    "basic": [fee("30.00"), tokens("0.01")],
    "pro": [fee("90.00"), tokens("0.01")],
    "team": [seats("15.00")],
    "year": [fee("366.00", "license", every="yearly"), tokens("0.01")],
    "bigger": [fee("732.00", "license", every="yearly"), tokens("0.01")],
    "late": [card("audit", {"model": "flat", "amount": "366.00"}, every="yearly"), tokens("0.01")],
    "plain": [card("fee", {"model": "flat", "amount": "30.00"}), tokens("0.01")],
}


@pytest.fixture
def town(installation: Endpoints, seed: int) -> Iterator[Town]:
    with Database(installation.postgres) as database:
        yield Town.build(installation, database, random.Random(seed), PLANS)


def test_a_fee_in_advance_is_due_at_the_start_and_with_each_end(town: Town) -> None:
    town.use("ada-app", on(4, 20), "500")
    town.subscribe(APRIL, "basic")
    [opening] = town.close(APRIL)
    assert (opening.kind, opening.period) == ("opening", Period(APRIL, MAY))
    assert lines_of(opening) == [("fee", "04-01..05-01", 30_00)]
    assert town.close(on(4, 30, 23)) == []
    [april] = town.close(MAY)
    assert (april.kind, april.period) == ("period", Period(APRIL, MAY))
    assert lines_of(april) == [
        ("tokens", "04-01..05-01", 5_00),  # 500 x 0.01, for the time that is over
        ("fee", "05-01..06-01", 30_00),  # for the time that comes, on the same invoice
    ]
    assert (april.total_minor, april.lines[1].in_advance) == (35_00, True)


def test_an_upgrade_is_settled_at_the_end_of_the_month(town: Town) -> None:
    town.subscribe(APRIL, "basic")
    [opening] = town.close(APRIL)
    town.do(on(4, 11), Change(town.desk(MAY).version("pro")))
    [april] = town.close(MAY)
    assert lines_of(april) == [
        ("tokens", "04-01..04-11", 0),
        ("tokens", "04-11..05-01", 0),
        ("fee", "04-01..05-01", -30_00),  # what was billed on 1 April
        ("fee", "04-01..04-11", 10_00),  # 30.00 x 10 of 30 days
        ("fee", "04-11..05-01", 60_00),  # 90.00 x 20 of 30 days
        ("fee", "05-01..06-01", 90_00),
    ]
    assert april.lines[2].settles == opening.lines[0].line_id
    assert april.total_minor == 130_00


def test_a_downgrade_leaves_a_credit_that_the_next_fee_takes(town: Town) -> None:
    town.subscribe(APRIL, "pro")
    town.close(APRIL)
    town.do(on(4, 11), Change(town.desk(MAY).version("basic")))
    [april] = town.close(MAY)
    assert lines_of(april)[-4:] == [
        ("fee", "04-01..05-01", -90_00),
        ("fee", "04-01..04-11", 30_00),  # 90.00 x 10 of 30 days
        ("fee", "04-11..05-01", 20_00),  # 30.00 x 20 of 30 days
        ("fee", "05-01..06-01", 30_00),
    ]
    # -40.00 for April against 30.00 for May: nothing to pay, and 10.00 are left.
    assert (april.subtotal_minor, april.total_minor, april.credit_after_minor) == (-10_00, 0, 10_00)
    assert town.desk(MAY).find().credit_minor == 10_00
    [may] = town.close(JUNE)
    # 30.00 for June less the 10.00.
    assert (may.credit_before_minor, may.total_minor, may.credit_after_minor) == (10_00, 20_00, 0)
    assert town.desk(JUNE).find().as_resource()["credit"]["amount"] == "0.00"


def test_what_is_left_at_the_end_is_owed_shown_and_told(town: Town) -> None:
    town.use("ada-app", on(4, 5), "500")
    town.subscribe(APRIL, "basic")
    town.close(APRIL)
    town.do(on(4, 11), Cancel("now"))
    [last] = town.close(on(4, 11))
    assert lines_of(last) == [
        ("tokens", "04-01..04-11", 5_00),
        ("fee", "04-01..05-01", -30_00),
        ("fee", "04-01..04-11", 10_00),  # 30.00 x 10 of 30 days
    ]
    assert (last.total_minor, last.credit_after_minor) == (0, 15_00)
    shown = town.desk(MAY).find().as_resource()
    assert shown["credit"] == {"amount": "15.00", "currency": "EUR"}
    read = lambda conn, _: changes_after(  # noqa: E731 - one call
        conn, town.tenant_id, 0, 1_000, ["subscription.credit.owed"]
    )
    [told] = town.call(MAY, read).events
    assert told.payload == {
        "subscription": shown["id"],
        "ended_at": on(4, 11).isoformat(),
        "credit": {"amount": "15.00", "currency": "EUR"},
    }
    assert town.close(JUNE) == []


def test_what_ends_is_settled_up_to_its_end_and_begins_anew(town: Town) -> None:
    town.subscribe(APRIL, "basic")
    town.close(APRIL)
    town.do(on(4, 11), Cancel("now"))
    town.close(on(4, 11))
    town.do(on(4, 21), Reactivate())
    [opening] = town.close(on(4, 21))
    assert (opening.kind, opening.period) == ("opening", Period(on(4, 21), MAY))
    assert lines_of(opening) == [("fee", "04-21..05-01", 10_00)]  # 30.00 x 10 of 30 days
    # -30.00 and 10.00 on the last invoice left 20.00.
    assert (opening.credit_before_minor, opening.total_minor, opening.credit_after_minor) == (
        20_00, 0, 10_00,
    )  # fmt: skip
    [april] = town.close(MAY)
    assert lines_of(april)[-1] == ("fee", "05-01..06-01", 30_00)
    assert (april.total_minor, april.credit_after_minor) == (20_00, 0)


def test_a_yearly_fee_stands_beside_the_month_and_an_upgrade_waits_for_its_end(
    town: Town,
) -> None:
    town.use("ada-app", on(4, 20), "500")
    town.subscribe(APRIL, "year")
    [opening] = town.close(APRIL)
    # From 1 April 2024 on a year has 365 days.
    assert lines_of(opening) == [("license", "04-01..04-01", 366_00)]
    [april] = town.close(MAY)
    assert lines_of(april) == [("tokens", "04-01..05-01", 5_00)]
    town.do(on(5, 11), Change(town.desk(MAY).version("bigger")))
    may = town.close(JUNE)[0]
    assert lines_of(may)[-3:] == [
        ("license", "04-01..04-01", -366_00),
        ("license", "04-01..05-11", 40_11),  # 366.00 x 40 of 365 days = 40.1096
        ("license", "05-11..04-01", 651_78),  # 732.00 x 325 of 365 days = 651.7808
    ]
    assert [line.every for line in may.lines[-3:]] == ["yearly"] * 3
    assert town.close(on(7, 1))[0].total_minor == 0


def test_a_yearly_line_in_arrears_is_billed_where_all_ends(town: Town) -> None:
    town.subscribe(APRIL, "late")
    town.close(MAY)
    town.do(on(5, 11), Cancel("now"))
    [last] = town.close(on(5, 11))
    assert lines_of(last) == [
        ("tokens", "05-01..05-11", 0),
        ("audit", "04-01..05-11", 40_11),  # 366.00 x 40 of 365 days = 40.1096
    ]


def test_seats_in_advance_follow_their_number(town: Town) -> None:
    town.subscribe(APRIL, "team", quantities={"seats": Decimal(2)})
    [opening] = town.close(APRIL)
    assert lines_of(opening) == [("seats", "04-01..05-01", 30_00)]
    town.do(on(4, 16), Change(quantities={"seats": Decimal(5)}))
    [april] = town.close(MAY)
    assert lines_of(april) == [
        ("seats", "04-01..05-01", -30_00),
        ("seats", "04-01..04-16", 15_00),  # 2 x 15.00 x 15 of 30 days
        ("seats", "04-16..05-01", 37_50),  # 5 x 15.00 x 15 of 30 days
        ("seats", "05-01..06-01", 75_00),  # 5 x 15.00
    ]


def test_what_follows_a_trial_is_billed_when_the_trial_is_over(town: Town) -> None:
    town.subscribe(APRIL, "basic", trial_ends_at=on(4, 15))
    assert town.close(on(4, 20)) == []
    [april] = town.close(MAY)
    assert lines_of(april)[-2:] == [
        ("fee", "04-15..05-01", 16_00),  # 30.00 x 16 of 30 days
        ("fee", "05-01..06-01", 30_00),
    ]


def test_a_trial_that_anchors_the_periods_is_billed_at_its_end(town: Town) -> None:
    town.subscribe(APRIL, "basic", trial_ends_at=on(4, 15), anchor="trial_end")
    [trial] = town.close(on(4, 15))
    assert lines_of(trial)[-1] == ("fee", "04-15..05-15", 30_00)


def test_a_pause_is_given_back(town: Town) -> None:
    town.subscribe(APRIL, "basic")
    town.close(APRIL)
    town.do(on(4, 11), PauseCommand(billing=True, service=True, until=on(4, 21)))
    [april] = town.close(MAY)
    assert lines_of(april)[-4:] == [
        ("fee", "04-01..05-01", -30_00),
        ("fee", "04-01..04-11", 10_00),
        ("fee", "04-21..05-01", 10_00),
        ("fee", "05-01..06-01", 30_00),
    ]
    assert april.total_minor == 20_00


def test_one_run_after_months_bills_the_same_as_three_on_time(town: Town) -> None:
    town.subscribe(APRIL, "pro", slug="on-time", payer="ada")
    town.subscribe(APRIL, "pro", slug="late", payer="bob")
    for at in (on(4, 11), on(4, 26)):
        plan = town.desk(MAY).version("basic" if at.day == 11 else "pro")
        for slug in ("on-time", "late"):
            town.do(at, Change(plan), slug)
    town.do(on(5, 21), Cancel("now"), "on-time")
    town.do(on(5, 21), Cancel("now"), "late")
    found = town.close(JUNE)
    sums: Counter[str] = Counter()
    for invoice in found:
        sums[str(invoice.subscription_id)] += invoice.total_minor - invoice.credit_after_minor
        sums[str(invoice.subscription_id)] += invoice.credit_before_minor
    # 90.00 x 10/30 + 30.00 x 15/30 + 90.00 x 5/30 + 90.00 x 20/31 = 30 + 15 + 15 + 58.06
    assert list(sums.values()) == [118_06, 118_06]


def test_who_is_invoiced_in_advance_cannot_end_at_that_very_instant(town: Town) -> None:
    town.subscribe(APRIL, "basic")
    town.close(APRIL)
    with pytest.raises(BusinessLogicError, match="is invoiced in advance from 2024-04-01"):
        town.do(APRIL, Cancel("now"))
    assert town.do(on(4, 1, 1), Cancel("now")).standing.end == on(4, 1, 1)


def test_months_of_another_length_and_clocks_that_change(
    fresh_installation: Endpoints, seed: int
) -> None:
    with Database(fresh_installation.postgres) as database:
        berlin = Town.build(
            fresh_installation, database, random.Random(seed), PLANS, zone="Europe/Berlin"
        )
        # From midnight in Berlin on 1 March, which is 23:00 in UTC; clocks change on the 31st.
        march, april = on(2, 29, 23), on(3, 31, 22)
        berlin.subscribe(march, "basic")
        [opening] = berlin.close(march)
        assert opening.lines[0].service == Period(march, april)
        assert opening.total_minor == 30_00
        # 743 hours; after 371.5 of them half is over.
        berlin.do(on(3, 16, 10), Cancel("now"))
        [last] = berlin.close(on(3, 17))
        assert last.lines[-1].share.fraction == Fraction(15 * 24 + 11, 743)
        assert last.lines[-1].amount_minor == 14_98  # 30.00 x 371 / 743 = 14.9798


def test_own_periods_step_from_a_day_that_months_lack(town: Town) -> None:
    town.subscribe(on(3, 31), "basic")
    town.subscribe(on(3, 31), "year", payer="bob", slug="year")
    fees = [
        (invoice.kind, *line[:2])
        for at in (on(3, 31), on(4, 30), on(5, 31))
        for invoice in town.close(at)
        for line in lines_of(invoice)
        if line[0] in {"fee", "license"}
    ]
    assert sorted(fees) == [
        ("opening", "fee", "03-31..04-30"),
        ("opening", "license", "03-31..03-31"),
        ("period", "fee", "04-30..05-31"),
        ("period", "fee", "05-31..06-30"),
    ]
