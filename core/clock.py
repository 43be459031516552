"""Time as an argument: the one module that may ask the operating system what time it is."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """What a shell asks for the time; pure code takes `as_of` instead."""

    def now(self) -> datetime:
        """The current instant, aware, in UTC."""
        ...

    def now_micros(self) -> int:
        """The same in microseconds since 1970-01-01T00:00Z."""
        ...

    def machine(self) -> Clock:
        """The clock of the machine, whosever time this one tells: for ids, logs and expiry."""
        ...


class SystemClock:
    """The machine's wall clock."""

    def now(self) -> datetime:
        """The current instant, aware, in UTC."""
        return datetime.now(tz=UTC)

    def now_micros(self) -> int:
        """The same in microseconds since 1970-01-01T00:00Z."""
        return time.time_ns() // 1000

    def machine(self) -> Clock:
        """Itself."""
        return self


class ManualClock:
    """A clock that moves only when it is told to, in place of the machine's: for tests."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock needs an aware datetime: pass tzinfo=UTC")
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """The instant last set."""
        return self._now

    def now_micros(self) -> int:
        """The same in microseconds since 1970-01-01T00:00Z."""
        return epoch_micros(self._now)

    def machine(self) -> Clock:
        """Itself."""
        return self

    def advance(self, by: timedelta) -> None:
        """Move forward by `by`; a clock never goes back."""
        if by < timedelta(0):
            raise ValueError(f"a clock cannot go back by {by}")
        self._now += by


class SandboxClock:
    """The time of a sandbox tenant, which stands still at `at`, beside that of the machine."""

    def __init__(self, at: datetime, machine: Clock) -> None:
        self._at = at
        self._machine = machine

    def now(self) -> datetime:
        """Where the tenant's time stands."""
        return self._at

    def now_micros(self) -> int:
        """The same in microseconds since 1970-01-01T00:00Z."""
        return epoch_micros(self._at)

    def machine(self) -> Clock:
        """The clock that goes on by itself."""
        return self._machine


def epoch_micros(at: datetime) -> int:
    """Microseconds since 1970-01-01T00:00Z, exact (no float)."""
    delta = at - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def monotonic_seconds() -> float:
    """Seconds on a clock that never jumps: for timeouts and durations only."""
    return time.monotonic()


def monotonic_nanos() -> int:
    """Nanoseconds on such a clock; all processes of a machine read the same one."""
    return time.monotonic_ns()
