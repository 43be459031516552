"""Fees in advance over 29 February 2028, and from days that months lack, to the cent.

Everybody lives in UTC.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction

import pytest

from core.endpoints import Endpoints
from db.postgres import Database
from subscriptions.commands import Cancel, Change
from tests.scenarios.stories.teller import Town, lines_of, on
from tests.scenarios.stories.test_contracts import agree, flat, own
from tests.scenarios.stories.test_in_advance import PLANS


@pytest.fixture
def town(installation: Endpoints, seed: int) -> Iterator[Town]:
    with Database(installation.postgres) as database:
        yield Town.build(installation, database, random.Random(seed), PLANS)


def date(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "years", "kept"),
    [
        # A year of 366.00 from 1 March 2027 on has 366 days: a day is 1.00.
        (date(2027, 3, 1), date(2028, 2, 29), 1, 365_00),
        # From 29 February 2028 to 28 February 2029 are 365 days; up to 30 June are 122.
        (date(2028, 2, 29), date(2028, 6, 30), 1, 122_33),  # 122.334
        # From 29 February 2028 on, the year of 2031 ends with 29 February 2032: 366 days.
        (date(2028, 2, 29), date(2032, 2, 28), 4, 365_00),
    ],
)
def test_a_yearly_fee_over_a_leap_day_is_given_back_by_its_own_year(
    town: Town, start: datetime, end: datetime, years: int, kept: int
) -> None:
    town.subscribe(start, "year")
    made = town.close(end.replace(day=end.day - 1))
    billed = [line for invoice in made for line in invoice.lines if line.line_key == "license"]
    assert [line.amount_minor for line in billed] == [366_00] * years
    town.do(end, Cancel("now"))
    [last] = town.close(end)
    span = billed[-1].service
    assert [line for line in lines_of(last) if line[0] == "license"] == [
        ("license", f"{span.start:%m-%d}..{span.end:%m-%d}", -366_00),
        ("license", f"{span.start:%m-%d}..{end:%m-%d}", kept),
    ]
    exact = Fraction(366_00 * (end - span.start).days, (span.end - span.start).days)
    assert abs(exact - kept) <= Fraction(1, 2)


def test_a_monthly_fee_from_the_31st_takes_the_days_of_february(town: Town) -> None:
    start = date(2028, 1, 31)
    town.subscribe(start, "basic")
    [opening] = town.close(start)
    assert [line for line in lines_of(opening) if line[0] == "fee"] == [
        ("fee", "01-31..02-29", 30_00)
    ]
    [january] = town.close(date(2028, 2, 29))
    assert lines_of(january)[-1] == ("fee", "02-29..03-31", 30_00)
    town.do(date(2028, 3, 10), Change(town.desk(date(2028, 3, 10)).version("pro")))
    [march] = town.close(date(2028, 3, 31))
    assert [line for line in lines_of(march) if line[0] == "fee"] == [
        ("fee", "02-29..03-31", -30_00),
        ("fee", "02-29..03-10", 9_68),  # 30.00 x 10 of 31 days = 9.677
        ("fee", "03-10..03-31", 60_97),  # 90.00 x 21 of 31 days = 60.968
        ("fee", "03-31..04-30", 90_00),
    ]


def test_a_price_of_the_customers_own_is_known_in_advance_or_settled(town: Town) -> None:
    prices = [own("fee", flat("12.00"), on(4, 11), on(4, 21))]
    agree(town, on(3, 20), prices=prices)
    town.subscribe(on(4, 1), "basic")
    [opening] = town.close(on(4, 1))
    assert lines_of(opening) == [
        ("fee", "04-01..04-11", 10_00),  # 30.00 x 10 of 30 days
        ("fee", "04-11..04-21", 4_00),  # 12.00 x 10 of 30 days
        ("fee", "04-21..05-01", 10_00),
    ]
    assert [line.contract_id is not None for line in opening.lines] == [False, True, False]
    agree(town, on(4, 25), slug="more", prices=[own("fee", flat("15.00"), on(4, 26), on(5, 16))])
    [april] = town.close(on(5, 1))
    assert [line for line in lines_of(april) if line[0] == "fee"] == [
        ("fee", "04-21..05-01", -10_00),
        ("fee", "04-21..04-26", 5_00),  # 30.00 x 5 of 30 days
        ("fee", "04-26..05-01", 2_50),  # 15.00 x 5 of 30 days
        ("fee", "05-01..05-16", 7_26),  # 15.00 x 15 of 31 days = 7.258
        ("fee", "05-16..06-01", 15_48),  # 30.00 x 16 of 31 days = 15.484
    ]
    assert town.close(on(6, 1))[0].lines[-1].amount_minor == 30_00
