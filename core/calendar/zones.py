"""Wall times, dates and days in an IANA time zone.

A wall time that a clock change skips is read with the offset before the change: 02:30 on the night
that goes from 02:00 to 03:00 is 03:30. A wall time that happens twice is the first of the two.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from core.errors import ValidationError

_NO_PLACE: Final = re.compile(r"localtime$|Factory$|posix|right/")
"""Files beside the zones: this machine's own, a placeholder, copies with other rules."""


def parse_time_zone(text: str, field: str = "time_zone") -> ZoneInfo:
    """The zone with this IANA name. Raises `ValidationError` naming `field`."""
    if _NO_PLACE.match(text) is None:
        with suppress(LookupError, ValueError, OSError):
            return ZoneInfo(text)
    raise ValidationError(
        f"{field}: {text!r} is no IANA time zone; write one such as Europe/Berlin or UTC",
        field=field,
    )


def wall_of(at: datetime, zone: ZoneInfo) -> datetime:
    """What the clock on the wall shows at the aware instant `at`: a datetime without a zone."""
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def instant_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """The instant, in UTC, that a wall time without a zone means; total, by the rule above."""
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)


def local_date(at: datetime, zone: ZoneInfo) -> date:
    """The date that a calendar on the wall shows at `at`."""
    return at.astimezone(zone).date()


def add_days(at: datetime, days: int, zone: ZoneInfo) -> datetime:
    """The same wall time that many calendar days later (or earlier), in UTC.

    A day may have 23, 25 or other hours: 30 days after 1 March 2017 23:30 in Los Angeles is
    31 March 23:30, which 720 hours miss.
    """
    if days == 0:
        return at.astimezone(UTC)  # the second of two equal wall times stays what it is
    return instant_of(wall_of(at, zone) + timedelta(days=days), zone)


def days_between(start: datetime, end: datetime, zone: ZoneInfo) -> int:
    """Dates from the one of `start` up to, and not including, the one of `end`.

    Counts dates, not hours: parts of a time always add up to it. A date that a zone never had
    (Apia, 30 December 2011) counts as one.
    """
    return (local_date(end, zone) - local_date(start, zone)).days
