"""The questions to the operating system about time that this library asks."""

from __future__ import annotations

import time
from datetime import datetime, timezone


def utc_now() -> datetime:
    """The current instant, aware, in UTC."""
    return datetime.now(tz=timezone.utc)


def monotonic_seconds() -> float:
    """Seconds that only ever grow: for waits, which a stepped clock must not change."""
    return time.monotonic()


def epoch_nanos() -> int:
    """Nanoseconds since 1970."""
    return time.time_ns()


class TimeStamps:
    """The current instant as RFC 3339 text; the text of a second is made once.

    Safe between threads: what is kept is replaced as a whole.
    """

    def __init__(self) -> None:
        self._kept = ("", "")

    def now(self) -> str:
        """Such as `2026-03-01T12:00:00.000123Z`."""
        digits = str(epoch_nanos())  # nine of them are the fraction, of which microseconds are told
        second = digits[:-9]
        kept_second, text = self._kept
        if kept_second != second:
            instant = datetime.fromtimestamp(int(second), tz=timezone.utc)
            text = instant.strftime("%Y-%m-%dT%H:%M:%S.")
            self._kept = (second, text)
        return f"{text}{digits[-9:-3]}Z"
