from __future__ import annotations

import random
from datetime import datetime, timezone

import pytest

from tollbook.retries import RetryPolicy, is_retried, retry_after_of

NOW = datetime(2026, 11, 21, 7, 28, tzinfo=timezone.utc)


def test_waits_grow_up_to_the_longest_and_are_spread() -> None:
    policy = RetryPolicy(first_seconds=1, longest_seconds=10, random=random.Random(1))
    for failures, backoff in enumerate([1, 2, 4, 8, 10, 10, 10], start=1):
        waits = [policy.backoff_seconds(failures) for _ in range(50)]
        assert all(backoff / 2 <= wait <= backoff for wait in waits)
        assert len(set(waits)) > 1
    assert policy.backoff_seconds(10_000) <= 10


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("5", 5),
        (" 0 ", 0),
        (None, 0),
        ("soon", 0),
        ("-3", 0),
        ("Sat, 21 Nov 2026 07:29:30 GMT", 90),
        ("Sat, 21 Nov 2026 07:00:00 GMT", 0),
        ("86400", 86_400),
        ("86401", 86_400),
        ("9" * 400, 86_400),
        ("Sat, 21 Nov 2099 07:00:00 GMT", 86_400),
    ],
)
def test_retry_after_is_seconds_or_a_date_of_the_server_up_to_a_day(
    header: str | None, seconds: float
) -> None:
    assert retry_after_of(header, NOW) == seconds


def test_what_may_pass_is_tried_again() -> None:
    assert all(map(is_retried, [408, 425, 429, 500, 502, 503, 504, 520]))
    assert not any(map(is_retried, [200, 202, 301, 400, 401, 403, 404, 413, 422]))
