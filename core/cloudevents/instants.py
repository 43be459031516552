"""RFC 3339 text to microseconds since the epoch, any offset and number of digits; and back."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final

_MINUTE: Final = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d):(\d\d)", re.ASCII)
_REST: Final = re.compile(r":(\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_MINUTE_LENGTH: Final = len("2026-03-01T12:00")
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOURS: Final = 24
_SIXTY: Final = 60


def epoch_micros_of(text: str) -> int:
    """Microseconds since 1970-01-01T00:00Z, rounded down, of an RFC 3339 timestamp.

    Raises `ValueError` with the reason. A leap second (`:60`) has no place on this scale and is
    refused, and so is `24:00`: both have a neighbour that the sender can name instead.
    """
    minute_seconds = _minute_seconds(text[:_MINUTE_LENGTH])
    rest = _REST.fullmatch(text, _MINUTE_LENGTH)
    if rest is None:
        raise _not_a_timestamp()
    second_text, fraction, zone = rest.groups()
    second = int(second_text)
    if second >= _SIXTY:
        raise ValueError("seconds end at 59: send a leap second as the second after it")
    micros = 0 if fraction is None else int(fraction[:6].ljust(6, "0"))
    return (minute_seconds + second - _zone_seconds(zone)) * 1_000_000 + micros


def instant_text(micros: int) -> str:
    """Microseconds since 1970-01-01T00:00Z as RFC 3339 in UTC, as short as it is exact."""
    at = _EPOCH + timedelta(microseconds=micros)
    text = at.replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if at.microsecond else text) + "Z"


@lru_cache(maxsize=4096)
def _minute_seconds(text: str) -> int:
    """Seconds from the epoch to the minute `YYYY-MM-DDThh:mm`, taken as UTC.

    Cached, as the events of a request share few minutes. Raises `ValueError`.
    """
    match = _MINUTE.fullmatch(text)
    if match is None:
        raise _not_a_timestamp()
    hour, minute = int(match[2]), int(match[3])
    if hour >= _HOURS or minute >= _SIXTY:
        raise ValueError("its time of day does not exist: hours end at 23, minutes at 59")
    try:
        day = date.fromisoformat(match[1]).toordinal() - _EPOCH_DAY
    except ValueError as error:
        raise ValueError(f"its date does not exist: {error}") from None
    return day * 86_400 + hour * 3600 + minute * 60


@lru_cache(maxsize=256)
def _zone_seconds(zone: str) -> int:
    """Seconds east of UTC of `Z` or `±hh:mm`. Raises `ValueError`."""
    if zone in "Zz":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[4:])
    if hours >= _HOURS or minutes >= _SIXTY:
        raise ValueError("its offset from UTC does not exist: it ends at 23:59")
    seconds = hours * 3600 + minutes * 60
    return seconds if zone[0] == "+" else -seconds


def _not_a_timestamp() -> ValueError:
    return ValueError("expected an RFC 3339 timestamp such as 2026-03-01T12:00:00Z")
