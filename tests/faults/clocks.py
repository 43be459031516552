"""A wall clock that jumps back and forth by up to a year, at every reading."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta

from core import clock

_YEAR_SECONDS = 365 * 24 * 3600


def step_clocks(seed: int) -> None:
    """Let this process's wall clock jump; the clock for durations is another one and stays."""
    rng, real = random.Random(seed), time.time

    def now() -> float:
        return real() + rng.uniform(-_YEAR_SECONDS, _YEAR_SECONDS)

    time.time = now
    time.time_ns = lambda: int(now() * 1e9)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    setattr(clock.SystemClock, "now", lambda _: epoch + timedelta(seconds=now()))  # noqa: B010 - mypy
