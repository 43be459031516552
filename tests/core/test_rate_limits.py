"""Rate limits are written as numbers, and their bounds are stated."""

from __future__ import annotations

import pytest

from core.cloudevents.json_format import EVENTS_PER_REQUEST_MAX
from core.errors import ValidationError
from core.rate_limits import (
    BYTES_BURST_DEFAULT,
    BYTES_BURST_MIN,
    EVENTS_BURST_DEFAULT,
    RATE_MAX,
    Rate,
    RateLimits,
    parse_bytes_rate,
    parse_events_rate,
)
from ingest.settings import BODY_BYTES_MAX


def test_a_rate_is_written_as_numbers() -> None:
    assert parse_events_rate("5", "x") == (5, EVENTS_BURST_DEFAULT)
    assert parse_events_rate("50000", "x") == (50_000, 50_000)
    assert parse_events_rate("5:1", "x") == (5, 1)
    assert parse_bytes_rate("1", "x") == (1, BYTES_BURST_DEFAULT)
    assert parse_bytes_rate(f"1:{BYTES_BURST_MIN}", "x") == (1, BYTES_BURST_MIN)
    assert parse_bytes_rate(f"{RATE_MAX}", "x") == (RATE_MAX, RATE_MAX)


def test_without_a_named_burst_every_request_that_may_come_fits() -> None:
    assert EVENTS_BURST_DEFAULT == EVENTS_PER_REQUEST_MAX
    assert BYTES_BURST_DEFAULT == BODY_BYTES_MAX


@pytest.mark.parametrize(
    "text", ["", "x", "1:", ":1", "-1", "1.5", "0", "1:0", "1:2:3", "9000000001", "1:9000000001",
             "٣", "1" * 30]
)  # fmt: skip
def test_what_is_no_rate_is_named(text: str) -> None:
    with pytest.raises(ValidationError, match=r"^--events: "):
        parse_events_rate(text, "--events")


def test_a_burst_of_bytes_lets_any_event_through() -> None:
    with pytest.raises(ValidationError, match=rf"^--bytes: .*{BYTES_BURST_MIN} to"):
        parse_bytes_rate(f"1:{BYTES_BURST_MIN - 1}", "--bytes")


def test_what_limits_do_not_say_comes_from_the_defaults() -> None:
    defaults = RateLimits(Rate(1, 2), Rate(3, 4))
    assert RateLimits(events=Rate(5, 6)).over(defaults) == RateLimits(Rate(5, 6), Rate(3, 4))
