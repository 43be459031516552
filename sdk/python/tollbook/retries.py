"""When to try again."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass(frozen=True)
class RetryPolicy:
    """Jittered exponential backoff, bounded in tries and in time.

    Attributes:
        tries: How often a request is sent at most, the first time included.
        first_seconds: The longest wait before the second try; it doubles from there.
        longest_seconds: The longest wait that the backoff asks for.
        retry_after_max_seconds: A server that asks for a longer wait than this ends the tries.
        random: Where the jitter comes from.
    """

    tries: int = 8
    first_seconds: float = 0.2
    longest_seconds: float = 10.0
    retry_after_max_seconds: float = 60.0
    random: random.Random = field(default_factory=random.SystemRandom, repr=False)

    def wait_seconds(self, failures: int, retry_after_seconds: float | None) -> float | None:
        """How long to wait after `failures` failed tries in a row; None to give up.

        Anywhere between half the backoff and all of it, so that senders that failed together do not
        come back together. Never before the server's Retry-After.
        """
        asked = retry_after_seconds or 0.0
        if failures >= self.tries or asked > self.retry_after_max_seconds:
            return None
        backoff: float = min(
            self.longest_seconds, self.first_seconds * 2.0 ** min(failures - 1, 60)
        )
        return asked + backoff * self.random.uniform(0.5, 1)


RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers after which the same request may succeed."""


def retry_after_of(header: str | None) -> float | None:
    """Seconds of a Retry-After header; None where it names a date or nothing."""
    text = (header or "").strip()
    return float(text) if text.isascii() and text.isdigit() else None
