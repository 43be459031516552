"""Wall times read another way: a list of a zone's offsets, found by asking UTC instants only.

Nothing here knows `fold`, a wall time that is skipped, or our code: a wall time is looked for among
the stretches of constant offset, the earliest wins, and one that no stretch has is read with the
offset of the stretch before the hole.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class WallClock:
    def __init__(self, zone: str, first: datetime, last: datetime) -> None:
        self._zone = ZoneInfo(zone)
        self._known: dict[datetime, datetime] = {}
        # Each stretch: first instant, end, offset.
        self.stretches: list[tuple[datetime, datetime, timedelta]] = []
        start = at = first
        while at < last:
            later = at + 12 * HOUR
            if self._offset(later) != self._offset(at):
                change = self._change(at, later)
                self.stretches.append((start, change, self._offset(at)))
                start = change
            at = later
        self.stretches.append((start, last, self._offset(start)))

    def _offset(self, at: datetime) -> timedelta:
        offset = at.astimezone(self._zone).utcoffset()
        assert offset is not None
        return offset

    def _change(self, before: datetime, after: datetime) -> datetime:
        """The first second of the new offset."""
        old = self._offset(before)
        while after - before > timedelta(seconds=1):
            middle = before + timedelta(seconds=(after - before).seconds // 2)
            before, after = (middle, after) if self._offset(middle) == old else (before, middle)
        return after

    def show(self, at: datetime) -> datetime:
        for start, end, offset in self.stretches:
            if start <= at < end:
                return (at + offset).replace(tzinfo=None)
        raise AssertionError(at)

    def read(self, wall: datetime) -> datetime:
        if wall not in self._known:
            self._known[wall] = self._read(wall.replace(tzinfo=UTC))
        return self._known[wall]

    def _read(self, wall: datetime) -> datetime:
        before = None
        for start, end, offset in self.stretches:
            if start <= wall - offset < end:
                return wall - offset
            if wall - offset >= end:
                before = offset
        assert before is not None
        return wall - before


@cache
def months_from(first: date, months: int) -> tuple[date, ...]:
    """The dates 0 to so many months on, month by month; the last day where that one is missing."""
    found = []
    year, month = first.year, first.month
    for _ in range(months + 1):
        start = date(year, month, 1)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
        last = date(year, month, 1) - DAY
        found.append(min(start + (first.day - 1) * DAY, last))
    return tuple(found)
