"""How often: the texts, and the bounds of the count."""

from __future__ import annotations

import pytest

from core.calendar.intervals import Interval, IntervalUnit
from core.errors import ValidationError


@pytest.mark.parametrize(
    ("text", "unit", "count", "months", "days"),
    [
        ("daily", "day", 1, 0, 1),
        ("weekly", "week", 1, 0, 7),
        ("monthly", "month", 1, 1, 0),
        ("quarterly", "quarter", 1, 3, 0),
        ("yearly", "year", 1, 12, 0),
        ("every 30 days", "day", 30, 0, 30),
        ("every 2 weeks", "week", 2, 0, 14),
        ("every 18 months", "month", 18, 18, 0),
        ("every 2 quarters", "quarter", 2, 6, 0),
        ("every 10 years", "year", 10, 120, 0),
    ],
)
def test_an_interval_reads_and_writes_itself(
    text: str, unit: IntervalUnit, count: int, months: int, days: int
) -> None:
    interval = Interval.parse(text)
    assert interval == Interval(unit, count)
    assert (interval.months, interval.days) == (months, days)
    assert str(interval) == text


def test_one_of_a_unit_has_one_text() -> None:
    assert str(Interval.parse("every 1 months")) == "monthly"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fortnightly",
        "every 2 week",
        "every 0 days",
        "every -1 days",
        "every 1.5 years",
        "Daily",
        "every 3661 days",
        "every 521 weeks",
        "every 121 months",
        "every 41 quarters",
        "every 11 years",
        "every 99999 days",
        "monthly ",
    ],
)
def test_another_text_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(ValidationError, match=r"^billing_cycle: write daily, .*'every 2 weeks'"):
        Interval.parse(text, "billing_cycle")


@pytest.mark.parametrize(
    ("unit", "most"), [("day", 3660), ("week", 520), ("month", 120), ("quarter", 40), ("year", 10)]
)
def test_an_interval_lasts_ten_years_at_most(unit: IntervalUnit, most: int) -> None:
    assert Interval(unit, most).count == most
    assert str(Interval.parse(f"every {most} {unit}s")) == f"every {most} {unit}s"
    for count in (0, -1, most + 1):
        with pytest.raises(ValidationError, match=f"give 1 to {most:,}"):
            Interval(unit, count)


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("P14D", Interval("day", 14)),
        ("P2W", Interval("week", 2)),
        ("P3M", Interval("month", 3)),
        ("P10Y", Interval("year", 10)),
    ],
)
def test_a_duration_is_an_interval(text: str, interval: Interval) -> None:
    assert Interval.lasting(text) == interval
    assert interval.duration == text
    assert Interval("quarter", 2).duration == "P6M"


@pytest.mark.parametrize(
    "text", ["", "P", "P0D", "P-1D", "P1.5M", "PT5M", "P1M2D", "p1m", "P3Q", "P11Y", "P9999M", "3M"]
)
def test_another_duration_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(ValidationError, match=r"^lasts: write up to 10 years such as P14D"):
        Interval.lasting(text)
