"""RFC 3339 text to microseconds, compiled; see `core.cloudevents.instants` for what is allowed."""

from __future__ import annotations

from typing import Final

import numpy as np

from core.compiled import compiled
from core.json_text import Bytes

NO_INSTANT: Final = -(2**63)
"""No text of the exact form `YYYY-MM-DDThh:mm:ss[.digits](Z|±hh:mm)`, or no such moment."""

_FORM: Final = np.frombuffer(b"dddd-dd-ddTdd:dd:dd", np.uint8)
_MONTH_STARTS: Final = np.array([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365])
_EPOCH_DAYS: Final = 719_162
"""Days of the proleptic Gregorian calendar before 1970."""


@compiled
def _two(text: Bytes, at: int) -> int:
    tens, ones = int(text[at]), int(text[at + 1])
    return (tens - 48) * 10 + ones - 48


@compiled
def _has_form(text: Bytes, at: int) -> bool:
    for k in range(len(_FORM)):
        byte, form = text[at + k], _FORM[k]
        if form == 100:
            if not 48 <= byte <= 57:
                return False
        elif byte != form and not (form == 84 and byte == 116):
            return False
    return True


@compiled
def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01, or `NO_INSTANT` for a date that does not exist."""
    if year < 1 or not 1 <= month <= 12 or day < 1:
        return NO_INSTANT
    leap = 1 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 0
    first, last = int(_MONTH_STARTS[month - 1]), int(_MONTH_STARTS[month])
    if day > last - first + (leap if month == 2 else 0):
        return NO_INSTANT
    before = year - 1
    whole = before * 365 + before // 4 - before // 100 + before // 400
    return whole + first + (leap if month > 2 else 0) + day - 1 - _EPOCH_DAYS


@compiled
def _zone_minutes(text: Bytes, at: int, stop: int) -> int:
    """Minutes east of UTC of `Z` or `±hh:mm` up to `stop`, or `NO_INSTANT`."""
    if stop - at == 1 and (text[at] == 90 or text[at] == 122):
        return 0
    if stop - at != 6 or (text[at] != 43 and text[at] != 45) or text[at + 3] != 58:
        return NO_INSTANT
    for k in (1, 2, 4, 5):
        if not 48 <= text[at + k] <= 57:
            return NO_INSTANT
    hours, minutes = _two(text, at + 1), _two(text, at + 4)
    if hours > 23 or minutes > 59:
        return NO_INSTANT
    east = hours * 60 + minutes
    return east if text[at] == 43 else -east


@compiled
def instant(text: Bytes, at: int, stop: int) -> int:
    """Microseconds since the epoch, rounded down, of `text[at:stop]`, or `NO_INSTANT`."""
    if stop - at < len(_FORM) + 1 or not _has_form(text, at):
        return NO_INSTANT
    hour, minute, second = _two(text, at + 11), _two(text, at + 14), _two(text, at + 17)
    days = _days(_two(text, at) * 100 + _two(text, at + 2), _two(text, at + 5), _two(text, at + 8))
    if days == NO_INSTANT or hour > 23 or minute > 59 or second > 59:
        return NO_INSTANT
    at += len(_FORM)
    micros = 0
    if text[at] == 46:
        at += 1
        unit, first = 100_000, at
        while at < stop and 48 <= text[at] <= 57:
            micros += (text[at] - 48) * unit
            unit //= 10
            at += 1
        if at == first:
            return NO_INSTANT
    east = _zone_minutes(text, at, stop)
    if east == NO_INSTANT:
        return NO_INSTANT
    seconds = days * 86_400 + hour * 3_600 + (minute - east) * 60 + second
    return seconds * 1_000_000 + micros
