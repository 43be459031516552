"""Offsets of zones against the standard library's, around every change of a clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from rating.errors import RatingInputError
from rating.local_time import Offsets

ZONES = [
    "Europe/Berlin",
    "UTC",
    "America/St_Johns",  # half an hour off
    "Australia/Lord_Howe",  # set by half an hour
    "Asia/Kathmandu",
    "Africa/Casablanca",  # set four times a year
    "Pacific/Apia",  # left out a day
]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@pytest.mark.parametrize("year", [2011, 2023])
def test_offsets_are_those_of_the_zone_to_the_microsecond(year: int) -> None:
    start = datetime(year, 1, 1, tzinfo=UTC)
    quarters = [start + timedelta(minutes=15 * number) for number in range(366 * 96)]
    offsets = Offsets.of(ZONES, _us(start), _us(quarters[-1]))
    for number, zone in enumerate(ZONES):
        place = ZoneInfo(zone)
        first, count = offsets.first[number], offsets.count[number]
        bounds = [
            EPOCH + each * MICROSECOND for each in offsets.table["until"][first:][: count - 1]
        ]
        instants = [each + step for each in bounds for step in (-MICROSECOND, 0 * MICROSECOND)]
        instants += quarters[::37]
        rows = pl.LazyFrame({"at": [_us(each) for each in instants]})
        rows = rows.with_columns(zone=pl.lit(number, pl.UInt32))
        found = offsets.with_row(rows, "row", pl.col("at")).select(offsets.of_row("offset", "row"))
        expected = [each.astimezone(place).utcoffset() for each in instants]
        assert [each * MICROSECOND for each in found.collect().to_series()] == expected


def test_a_zone_of_no_name_is_refused() -> None:
    with pytest.raises(RatingInputError, match="'Berlin' is not a time zone of the IANA names"):
        Offsets.of(["Berlin"], 0, 1)


def _us(instant: datetime) -> int:
    return (instant - EPOCH) // MICROSECOND
