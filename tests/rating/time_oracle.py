"""Prices by local time once more, second by piece, with `zoneinfo`: imports no `rating`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import ceil, floor
from typing import Any
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTE = timedelta(minutes=1)


def time_of_day(
    begins: datetime, seconds: Fraction, zone: str | None, parameters: Mapping[str, Any]
) -> Fraction:
    """What an event costs: step by step of its time, each in one band.

    A clock is set at quarters of an hour of UTC, and a band begins at the times that it says.
    """
    if not seconds:
        return Fraction(0)
    left = billed(abs(seconds), parameters.get("increments"), back=seconds < 0)
    place = ZoneInfo(zone or "UTC")
    amount, at = Fraction(0), begins.astimezone(UTC)
    if seconds > 0:
        amount += Fraction(band_at(at.astimezone(place), parameters).get("connect_fee", 0))
    sign = 1 if seconds > 0 else -1
    while left > 0:
        local = at.astimezone(place)
        minute = (
            at.replace(second=0, microsecond=0) + minutes_in_one_band(local, parameters) * MINUTE
        )
        step = min(left, Fraction((minute - at) // timedelta(microseconds=1), 10**6))
        amount += sign * step * Fraction(band_at(local, parameters)["unit_amount"])
        left -= step
        at = minute
    return amount


def minutes_in_one_band(local: datetime, parameters: Mapping[str, Any]) -> int:
    """Up to the next quarter of an hour, or to the next time that a band says."""
    now = local.hour * 60 + local.minute
    said = (
        minutes(band[name])
        for band in parameters["bands"]
        for name in ("from", "to")
        if name in band
    )
    return min(15 - now % 15, *((at - now - 1) % 1_440 + 1 for at in said), 15)


def billed(size: Fraction, increments: Mapping[str, Any] | None, *, back: bool) -> Fraction:
    if not increments:
        return size
    first, following = Fraction(increments["first"]), Fraction(increments["next"])
    if size <= first:
        return first if not back or size == first else Fraction(0)
    steps = (size - first) / following
    return first + (floor(steps) if back else ceil(steps)) * following


def band_at(local: datetime, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    minute = local.hour * 60 + local.minute
    today, yesterday = DAYS[local.weekday()], DAYS[local.weekday() - 1]
    *bands, last = parameters["bands"]
    for band in bands:
        days = band.get("days", DAYS)
        start, end = minutes(band.get("from", "00:00")), minutes(band.get("to", "24:00"))
        if start < end:
            if today in days and start <= minute < end:
                return band  # type: ignore[no-any-return]  # parameters hold plain objects
        elif (today in days and minute >= start) or (yesterday in days and minute < end):
            return band  # type: ignore[no-any-return]  # as above
    return last  # type: ignore[no-any-return]  # as above


def minutes(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])
