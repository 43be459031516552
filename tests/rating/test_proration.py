"""Shares of periods: the field's worked numbers, others' defects, and what always holds."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.calendar.cycle import Cycle
from core.calendar.intervals import Interval
from core.errors import ValidationError
from core.period import Period
from rating.errors import PriceParameterError, RatingInputError
from rating.proration import (
    PARTS,
    PRORATION_BASES,
    ProrationBasis,
    Share,
    parse_proration_basis,
    share_of,
    with_shares,
)
from rating.rounding import round_ratio

UTC_ZONE, BERLIN = ZoneInfo("UTC"), ZoneInfo("Europe/Berlin")
DAY = timedelta(days=1)


def period(start: str, end: str, zone: ZoneInfo = UTC_ZONE) -> Period:
    return Period(*(datetime.fromisoformat(each).replace(tzinfo=zone) for each in (start, end)))


def cents(amount: str, share: Share) -> int:
    return round_ratio(Fraction(Decimal(amount)) * 100 * share.fraction)


FEBRUARY_2024 = period("2024-02-01", "2024-03-01")
YEAR_2024 = period("2024-01-01", "2025-01-01")


class TestWorkedNumbers:
    def test_22_of_29_days(self) -> None:
        share = share_of(period("2024-02-08", "2024-03-01"), FEBRUARY_2024, "days", UTC_ZONE)
        assert share == Share(22, 29)
        assert cents("100.00", share) == 7586
        by_seconds = share_of(
            period("2024-02-08", "2024-03-01"), FEBRUARY_2024, "seconds", UTC_ZONE
        )
        assert by_seconds == Share(22 * 86_400, 29 * 86_400)
        assert by_seconds.fraction == share.fraction

    def test_166_of_366_days(self) -> None:
        share = share_of(period("2024-07-19", "2025-01-01"), YEAR_2024, "seconds", UTC_ZONE)
        assert share.fraction == Fraction(166, 366)
        # 454.79 would be 166/365.
        assert cents("1000.00", share) == 45355
        assert cents("1000.00", Share(166, 365)) == 45479

    def test_20_of_28_days_and_21_of_29(self) -> None:
        part = period("2023-02-23", "2023-03-15")
        share = share_of(part, period("2023-02-15", "2023-03-15"), "days", UTC_ZONE)
        assert share == Share(20, 28)
        assert round_ratio(share.fraction * 10**9) == 714_285_714
        leap = share_of(
            period("2024-02-23", "2024-03-15"),
            period("2024-02-15", "2024-03-15"),
            "days",
            UTC_ZONE,
        )
        assert leap == Share(21, 29)
        assert round_ratio(leap.fraction * 10**9) == 724_137_931

    @pytest.mark.parametrize("month", range(1, 13))
    def test_22_of_30_all_year(self, month: int) -> None:
        first = date(2023, month, 1)
        after = date(2023 + month // 12, month % 12 + 1, 1)
        whole = period(first.isoformat(), after.isoformat())
        share = share_of(
            period(f"2023-{month:02}-09", after.isoformat()), whole, "fixed_30", UTC_ZONE, 1
        )
        assert share == Share(22, 30)

    def test_8_of_30_days_at_19_95(self) -> None:
        share = share_of(
            period("2023-03-01", "2023-03-09"),
            period("2023-03-01", "2023-04-01"),
            "fixed_30",
            UTC_ZONE,
            1,
        )
        assert cents("19.95", share) == 532

    def test_a_yearly_fee_on_a_monthly_plan_has_its_own_year(self) -> None:
        year = period("2023-06-01", "2024-05-31")
        assert (year.end - year.start).days == 365
        share = share_of(period("2023-06-01", "2023-07-01"), year, "days", UTC_ZONE)
        assert cents("3650.00", share) == 30000

    def test_half_a_year_of_months_of_30_days_is_one_half(self) -> None:
        share = share_of(period("2024-01-01", "2024-07-01"), YEAR_2024, "fixed_30", UTC_ZONE, 12)
        assert share == Share(180, 360)


class TestDefectsOfOthers:
    def test_a_month_ends_at_its_end_not_a_second_earlier(self) -> None:
        # Another system divides by 2,591,999 seconds of April.
        april = period("2024-04-01", "2024-05-01")
        assert share_of(april, april, "seconds", UTC_ZONE) == Share(2_592_000, 2_592_000)

    def test_the_last_day_is_not_counted_twice(self) -> None:
        # Another system has 17/32 of a month of 31 days.
        share = share_of(
            period("2024-01-16", "2024-02-01"),
            period("2024-01-01", "2024-02-01"),
            "days",
            UTC_ZONE,
        )
        assert share == Share(16, 31)

    def test_a_factor_is_not_rounded_before_the_amount(self) -> None:
        # Another system rounds 20/28 to nine digits first: 71,428,571.40.
        assert cents("100000000.00", Share(20, 28)) == 7_142_857_143

    def test_units_are_not_rounded_up_before_they_are_priced(self) -> None:
        # Another system rounds 85/31 up to 2.74194 units: 27,419.40 at 10,000.00 a unit.
        assert cents("850000.00", Share(1, 31)) == 2_741_935

    def test_a_clamped_day_does_not_change_the_length_of_the_period(self) -> None:
        # Another system divides by 31: it goes back from 28 February to 28 January.
        whole = Cycle(datetime(2023, 1, 31, tzinfo=UTC), UTC_ZONE).period_of(
            datetime(2023, 2, 10, tzinfo=UTC)
        )
        share = share_of(
            Period(datetime(2023, 2, 14, tzinfo=UTC), whole.end), whole, "days", UTC_ZONE
        )
        assert share == Share(14, 28)

    def test_a_large_amount_keeps_its_last_cent(self) -> None:
        # As a binary fraction, 9,007,199,254,740,993 cents are one less.
        assert cents("90071992547409.93", Share(1, 1)) == 9_007_199_254_740_993

    def test_a_month_with_a_clock_change_weighs_one(self) -> None:
        # Another system divides by 31 times 86,400 seconds, which March in Berlin does not have.
        march = period("2024-03-01", "2024-04-01", BERLIN)
        assert share_of(march, march, "seconds", BERLIN) == Share(743 * 3600, 743 * 3600)
        assert share_of(march, march, "days", BERLIN) == Share(31, 31)

    def test_a_year_of_365_days_has_8760_hours(self) -> None:
        year = period("2023-01-01", "2024-01-01")
        hour = Period(year.start, year.start + timedelta(hours=1))
        assert share_of(hour, year, "seconds", UTC_ZONE).fraction == Fraction(1, 8760)


def test_a_date_belongs_to_the_part_that_begins_on_it() -> None:
    whole = period("2023-02-15T10:00", "2023-03-15T10:00", BERLIN)
    for time in ("09:00", "23:59"):
        change = datetime.fromisoformat(f"2023-02-23T{time}").replace(tzinfo=BERLIN)
        assert share_of(Period(whole.start, change), whole, "days", BERLIN) == Share(8, 28)
        assert share_of(Period(change, whole.end), whole, "days", BERLIN) == Share(20, 28)
    # 23:30 in UTC is the next date in Berlin.
    late = datetime(2023, 2, 22, 23, 30, tzinfo=UTC)
    assert share_of(Period(whole.start, late), whole, "days", BERLIN) == Share(8, 28)


def test_microseconds_are_counted_where_there_are_any() -> None:
    whole = period("2024-01-01", "2024-01-02")
    part = Period(whole.start, whole.start + timedelta(microseconds=1))
    assert share_of(part, whole, "seconds", UTC_ZONE) == Share(1, 86_400_000_000)


def test_a_period_within_one_date_is_shared_by_seconds() -> None:
    whole = period("2024-01-01T00:00", "2024-01-01T12:00")
    part = period("2024-01-01T00:00", "2024-01-01T03:00")
    assert share_of(part, whole, "days", UTC_ZONE).fraction == Fraction(1, 4)


def test_what_cannot_be_shared_is_refused() -> None:
    whole = period("2024-01-08", "2024-01-15")
    with pytest.raises(RatingInputError, match="lies not within"):
        share_of(period("2024-01-08", "2024-01-15T00:01"), whole, "seconds", UTC_ZONE)
    with pytest.raises(RatingInputError, match="lies not within"):
        share_of(period("2024-01-07", "2024-01-09"), whole, "days", UTC_ZONE)
    with pytest.raises(RatingInputError, match="fixed_30 needs a period of months"):
        share_of(whole, whole, "fixed_30", UTC_ZONE)
    with pytest.raises(PriceParameterError, match="proration: use one of seconds, days, fixed_30"):
        parse_proration_basis("hours")
    assert parse_proration_basis("days") == "days"


ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Pacific/Apia",
    "Australia/Lord_Howe",
]
SPLITS = st.tuples(
    st.integers(0, 15 * 365 * 24 * 60).map(
        lambda minutes: datetime(2008, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    ),
    st.sampled_from(ZONES),
    st.sampled_from(["daily", "weekly", "monthly", "quarterly", "yearly", "every 18 months"]),
    st.lists(st.integers(1, 10**6 - 1), max_size=3, unique=True),
    st.sampled_from(PRORATION_BASES),
)


def split(
    made: tuple[datetime, str, str, list[int], ProrationBasis],
) -> list[tuple[Period, Period, int, str, ProrationBasis]]:
    """One period of a cycle, cut into parts: rows for `share_of` and `with_shares`."""
    anchor, zone, text, cuts, basis = made
    interval = Interval.parse(text)
    whole = Cycle(anchor, ZoneInfo(zone), interval).period_of(anchor + 40 * DAY)
    length = whole.end - whole.start
    edges = [whole.start, *(whole.start + length * cut // 10**6 for cut in sorted(cuts)), whole.end]
    if basis == "fixed_30" and not interval.months:
        basis = "days"
    return [
        (Period(start, end), whole, interval.months, zone, basis)
        for start, end in pairwise(edges)
        if start < end
    ]


@settings(max_examples=200)
@given(st.lists(SPLITS, min_size=1, max_size=8))
def test_parts_sum_to_one_and_the_frame_says_the_same(
    made: list[tuple[datetime, str, str, list[int], ProrationBasis]],
) -> None:
    rows: list[tuple[Any, ...]] = []
    shares: list[Share] = []
    for each in made:
        parts = split(each)
        found = [
            share_of(part, whole, basis, ZoneInfo(zone), months)
            for part, whole, months, zone, basis in parts
        ]
        assert sum(share.fraction for share in found) == 1
        assert all(share.numerator >= 0 for share in found)
        shares += found
        rows += [
            (part.start, part.end, whole.start, whole.end, months, zone, basis)
            for part, whole, months, zone, basis in parts
        ]
    frame = with_shares(pl.DataFrame(rows, schema=PARTS, orient="row"))
    assert frame.select(PARTS.names()).rows() == rows
    assert frame.select("share_numerator", "share_denominator").rows() == shares
    assert frame.schema["share_numerator"] == frame.schema["share_denominator"] == pl.Int64


def test_a_frame_keeps_its_other_columns_and_may_be_empty() -> None:
    whole = period("2024-01-01", "2024-02-01")
    row = (whole.start, whole.end, whole.start, whole.end, 1, "UTC", "days")
    frame = pl.DataFrame([row], schema=PARTS, orient="row").with_columns(line=pl.lit("a"))
    assert with_shares(frame).columns == [*frame.columns, "share_numerator", "share_denominator"]
    assert with_shares(frame.clear()).schema == with_shares(frame).schema


@pytest.mark.parametrize(
    ("column", "value", "error", "message"),
    [
        ("basis", "hours", PriceParameterError, "proration: use one of"),
        ("time_zone", "Mars/Olympus", ValidationError, "time_zone: 'Mars/Olympus'"),
        ("time_zone", None, RatingInputError, "without nulls"),
        ("part_end", datetime(2024, 2, 2, tzinfo=UTC), RatingInputError, "sticks out"),
        ("part_start", datetime(2023, 12, 31, tzinfo=UTC), RatingInputError, "sticks out"),
        ("part_start", datetime(2024, 2, 1, tzinfo=UTC), RatingInputError, "empty"),
        ("whole_months", 0, RatingInputError, "fixed_30 has no months"),
    ],
)
def test_a_frame_that_cannot_be_shared_is_refused(
    column: str, value: object, error: type[Exception], message: str
) -> None:
    row = {
        "part_start": datetime(2024, 1, 1, tzinfo=UTC),
        "part_end": datetime(2024, 2, 1, tzinfo=UTC),
        "whole_start": datetime(2024, 1, 1, tzinfo=UTC),
        "whole_end": datetime(2024, 2, 1, tzinfo=UTC),
        "whole_months": 1,
        "time_zone": "UTC",
        "basis": "fixed_30",
    }
    frame = pl.DataFrame([row | {column: value}], schema=PARTS)
    with pytest.raises(error, match=message):
        with_shares(frame)
    with pytest.raises(RatingInputError, match="parts: expected"):
        with_shares(frame.drop(column))
