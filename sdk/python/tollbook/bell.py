"""How recording threads wake the sender: rarely, and for nothing while it is busy."""

from __future__ import annotations

import threading
from collections.abc import Callable
from math import inf


class Bell:
    """Holds how much must wait before the sender wants to hear of it.

    A queue compares what it holds with `at_events` and `at_bytes` under its own lock and calls
    `ring`. Both are infinite while the sender is at work, so that an event costs two comparisons.

    Args:
        answer: Called at each ring, before the sender is woken; it starts a sender that has no
            thread yet, and says whether there is one now. If not, the next event rings again.
    """

    def __init__(self, answer: Callable[[], bool]) -> None:
        self.at_events: float = 1
        self.at_bytes: float = inf
        self._answer = answer
        self._rung = threading.Event()

    def ring(self) -> None:
        """Wake the sender, now or when it next sleeps."""
        if self._answer():
            self.at_events = self.at_bytes = inf
        self._rung.set()

    def wake(self) -> None:
        """Wake the sender where there is one."""
        self._rung.set()

    def arm(self, events: float, size_bytes: float) -> None:
        """Ask for a ring at this many events or bytes; the caller holds the queue's lock."""
        self.at_events, self.at_bytes = events, size_bytes

    def wait(self, timeout_seconds: float | None) -> None:
        """Sleep until the next ring, or one since the last wait."""
        self._rung.wait(timeout_seconds)
        self._rung.clear()
