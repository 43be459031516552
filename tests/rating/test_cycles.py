"""Monthly and yearly prices over the periods of their cycles."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from core.calendar.cycle import Cycle
from core.calendar.intervals import Interval
from core.period import Period
from rating.engine import rate_period
from rating.frames import LINES, SHARE, USAGE
from rating.prices import Price
from rating.proration import share_of
from tests.rating.builders import price

BERLIN = ZoneInfo("Europe/Berlin")
UNTIL = datetime(2025, 1, 31, tzinfo=BERLIN)
MONTHLY = price("flat", {"amount": "49.00"}, price_id="monthly")
YEARLY = price("flat", {"amount": "490.00"}, price_id="yearly")
SEATS = price("per_unit", {"amount": "0.10"}, price_id="seats")


def bill(cycle: Cycle, start: datetime, fee: Price) -> tuple[list[Period], pl.DataFrame]:
    """The fee of each period, in its share, and what each used: 10 units a day."""
    periods = list(cycle.periods_from(start, UNTIL.astimezone(UTC)))
    months = cycle.interval.months
    shares = [
        share_of(each, cycle.period_of(each.start), "days", cycle.zone, months) for each in periods
    ]
    rows = [
        ("sub", each.start, key, meter, price_id)
        for each in periods
        for key, meter, price_id in (("fee", None, fee.price_id), ("seats", "m", "seats"))
    ]
    wanted = pl.DataFrame(rows, schema=LINES, orient="row")
    twice = [share for share in shares for _ in range(2)]
    used = [
        ("sub", each.start, "m", Decimal(10 * days(each, cycle.zone)), 1, 0) for each in periods
    ]
    rated = rate_period(
        wanted.hstack(pl.DataFrame(twice, schema=SHARE, orient="row")),
        pl.DataFrame(used, schema=USAGE, orient="row"),
        [fee, SEATS],
    )
    return periods, rated


def days(period: Period, zone: ZoneInfo) -> int:
    return (period.end.astimezone(zone).date() - period.start.astimezone(zone).date()).days


@pytest.mark.parametrize(
    ("interval", "fee", "count", "minor"),
    [("monthly", MONTHLY, 24, 4900), ("yearly", YEARLY, 2, 49000)],
)
def test_each_period_of_a_cycle_bills_its_price_once_and_all_usage(
    interval: str, fee: Price, count: int, minor: int
) -> None:
    """Two years from 31 January on, one of them a leap year: months of 28 to 31 days."""
    cycle = Cycle(datetime(2023, 1, 31, tzinfo=BERLIN), BERLIN, Interval.parse(interval))
    periods, rated = bill(cycle, cycle.anchor, fee)
    assert len(periods) == count
    assert rated.filter(line_key="fee")["amount_minor"].to_list() == [minor] * count
    usage_minor = rated.filter(line_key="seats")["amount_minor"].to_list()
    assert usage_minor == [100 * days(each, BERLIN) for each in periods]
    assert sum(usage_minor) == 100 * 731


def test_who_starts_within_a_cycle_pays_the_share_of_the_first_period() -> None:
    """From 15 March: 17 of 31 days of 49.00 are 26.87; 292 of 365 days of 490.00 are 392.00."""
    start, anchor = (datetime(2023, *date, tzinfo=BERLIN) for date in ((3, 15), (1, 1)))
    found = {}
    for interval, fee in (("monthly", MONTHLY), ("yearly", YEARLY)):
        cycle = Cycle(anchor, BERLIN, Interval.parse(interval))
        _, rated = bill(cycle, start.astimezone(UTC), fee)
        found[interval] = rated.filter(line_key="fee")["amount_minor"].to_list()[:2]
    assert Fraction(4900 * 17, 31) == Fraction(83300, 31)  # 2687.09…
    assert found == {"monthly": [2687, 4900], "yearly": [39200, 49000]}
