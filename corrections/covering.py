"""Waiting until what is in the log now is counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from core.clock import Clock, monotonic_seconds
from core.endpoints import Endpoints
from core.errors import DependencyDownError
from streams.lag import read_lag
from usage.cut import Cut

COVER_SECONDS: Final = 60.0
"""How long workers are waited for, unless somebody says otherwise."""

_POLL_SECONDS: Final = 0.5


def covering_cut(
    endpoints: Endpoints,
    clock: Clock,
    read_cut: Callable[[], Cut],
    seconds: float = COVER_SECONDS,
) -> Cut:
    """A cut that covers all that is in the log now: workers are waited for.

    Raises `DependencyDownError` when they do not get there in time.
    """
    ends = {(lag.generation, lag.partition): lag.log_end for lag in read_lag(endpoints, clock)}
    deadline = monotonic_seconds() + seconds
    while True:
        cut = read_cut()
        covered = cut.by_partition()
        missing = sum(max(0, end - covered.get(part, 0)) for part, end in ends.items())
        if not missing:
            return cut
        if monotonic_seconds() > deadline:
            raise DependencyDownError(
                f"{missing} records of the log are not counted yet: see that stream workers run,"
                " then repeat the command"
            )
        time.sleep(_POLL_SECONDS)
