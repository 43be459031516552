"""What the sender has to tell to those who wait for it."""

from __future__ import annotations

import threading
from collections import deque

from tollbook.errors import DeliveryError, RequestRejectedError
from tollbook.verdicts import FlushResult

LOST_KEPT_MAX = 100
"""Errors of batches that left the client, kept for `flush`; `on_error` gets every one."""


class Progress:
    """Shared by the sender and by callers of flush; every field under `changed`.

    Attributes:
        changed: Notified after each try.
        failures: Failed tries since the client was made,
        failures_in_row: and since the last batch that got its verdict.
        problem: The last failure.
        is_hopeless: Whether another try soon will fail, too.
        result: The verdicts since the last flush.
        lost: Errors whose events left the client, oldest first.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.failures = self.failures_in_row = 0
        self.problem: DeliveryError | None = None
        self.is_hopeless = False
        self.result = FlushResult()
        self.lost: deque[RequestRejectedError] = deque(maxlen=LOST_KEPT_MAX)

    def succeed(self, result: FlushResult) -> None:
        """A batch has its verdicts."""
        with self.changed:
            self.failures_in_row = 0
            self.result += result
            self.changed.notify_all()

    def fail(self, problem: DeliveryError, *, is_hopeless: bool) -> None:
        """A try failed; its events stay."""
        with self.changed:
            self.failures += 1
            self.failures_in_row += 1
            self.problem, self.is_hopeless = problem, is_hopeless
            self.changed.notify_all()

    def lose(self, problem: RequestRejectedError) -> None:
        """A batch left the client without verdicts."""
        with self.changed:
            self.failures_in_row = 0
            self.lost.append(problem)
            self.changed.notify_all()

    def tell(self) -> None:
        """Something else changed."""
        with self.changed:
            self.changed.notify_all()

    def take(self) -> FlushResult:
        """The verdicts since the last time; the caller holds `changed`. Raises what was lost."""
        if self.lost:
            raise self.lost.popleft()
        result, self.result = self.result, FlushResult()
        return result
