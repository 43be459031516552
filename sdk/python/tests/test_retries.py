from __future__ import annotations

import random

from tollbook.retries import RetryPolicy, retry_after_of


def test_waits_grow_up_to_the_longest_and_are_spread() -> None:
    policy = RetryPolicy(first_seconds=1, longest_seconds=10, random=random.Random(1))
    for failures, backoff in enumerate([1, 2, 4, 8, 10, 10, 10], start=1):
        waits = [policy.wait_seconds(failures, None) for _ in range(50)]
        assert all(wait is not None and backoff / 2 <= wait <= backoff for wait in waits)
        assert len(set(waits)) > 1


def test_the_next_try_is_never_before_retry_after() -> None:
    policy = RetryPolicy(first_seconds=1)
    assert all((policy.wait_seconds(1, 7) or 0) >= 7 for _ in range(50))


def test_tries_and_patience_end() -> None:
    policy = RetryPolicy(tries=3, retry_after_max_seconds=60)
    assert policy.wait_seconds(2, None) is not None
    assert policy.wait_seconds(3, None) is None
    assert policy.wait_seconds(1, 61) is None


def test_retry_after_is_read_as_seconds_only() -> None:
    assert retry_after_of("5") == 5
    assert retry_after_of(" 0 ") == 0
    assert retry_after_of(None) is None
    assert retry_after_of("Sat, 21 Nov 2026 07:28:00 GMT") is None
