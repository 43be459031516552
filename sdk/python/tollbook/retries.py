"""When to try again."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime

RETRY_AFTER_SECONDS_MAX = 86_400.0
"""A server that asks for a longer wait is asked again after a day."""

_DIGITS_MAX = 10


@dataclass(frozen=True)
class RetryPolicy:
    """Jittered exponential backoff.

    The client never gives up on its own: it tries for as long as it is open. What gives up is a
    `flush` that waits for it.

    Attributes:
        tries: After how many failed tries `flush` raises.
        first_seconds: The longest wait before the second try; it doubles from there.
        longest_seconds: The longest wait that the backoff asks for.
        retry_after_max_seconds: A server that asks for a longer wait than this makes `flush` raise
            at once. The next try is not before Retry-After all the same.
        random: Where the jitter comes from.
    """

    tries: int = 8
    first_seconds: float = 0.2
    longest_seconds: float = 10.0
    retry_after_max_seconds: float = 60.0
    random: random.Random = field(default_factory=random.SystemRandom, repr=False)

    def backoff_seconds(self, failures: int) -> float:
        """How long to wait after `failures` failed tries in a row, beyond any Retry-After.

        Anywhere between half the backoff and all of it, so that senders that failed together do not
        come back together.
        """
        backoff = min(self.longest_seconds, self.first_seconds * 2.0 ** min(failures - 1, 60))
        return backoff * self.random.uniform(0.5, 1)


def is_retried(status: int) -> bool:
    """Whether the same request may succeed after an answer of this status."""
    return status in {408, 425, 429} or status >= 500  # noqa: PLR2004 - statuses of HTTP


def retry_after_of(header: str | None, server_now: datetime) -> float:
    """Seconds that a Retry-After header asks for; 0 where it says nothing that can be read.

    A date is counted from `server_now`, the server's own clock: this machine's may differ.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:_DIGITS_MAX]), RETRY_AFTER_SECONDS_MAX)
    try:
        wait = (parsedate_to_datetime(text) - server_now).total_seconds()
    except (TypeError, ValueError):
        return 0.0
    return min(max(wait, 0.0), RETRY_AFTER_SECONDS_MAX)
