"""Rate limits: what they are, and how people write them.

A bucket holds at most `burst` tokens and gains `per_second` of them a second; it is full at first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from core.errors import ValidationError
from core.events import EVENT_BYTES_MAX

RATE_MAX: Final = 9_000_000_000
"""Most tokens a second, and in a burst: their billionths fit into 64 bits with a sign."""

BYTES_BURST_MIN: Final = 2 * EVENT_BYTES_MAX
"""Smallest burst of bytes: an event of the largest size always gets through."""

EVENTS_BURST_DEFAULT: Final = 10_000
"""A burst of events that was not named: as many as one request may have, or one second's."""

BYTES_BURST_DEFAULT: Final = 10 * 1024 * 1024
"""A burst of bytes that was not named: as many as one request may have, or one second's."""

PARTS: Final = 1_000_000_000
"""Of a token, and of a second."""


class Rate(NamedTuple):
    """So many tokens a second, and at most `burst` of them saved up."""

    per_second: int
    burst: int


@dataclass(frozen=True, slots=True)
class RateLimits:
    """How fast events, and bytes of bodies, may come; None where nothing is said."""

    events: Rate | None = None
    bytes: Rate | None = None

    def over(self, defaults: RateLimits) -> RateLimits:
        """These limits, and of `defaults` what they do not say."""
        return RateLimits(self.events or defaults.events, self.bytes or defaults.bytes)

    def as_document(self) -> dict[str, dict[str, int] | None]:
        """The form that API and CLI show."""
        return {
            name: None if rate is None else {"per_second": rate.per_second, "burst": rate.burst}
            for name, rate in (("events", self.events), ("bytes", self.bytes))
        }


NO_LIMITS: Final = RateLimits()


def parse_events_rate(text: str, field: str) -> Rate:
    """`1000` or `1000:5000`: events a second, and how many at once. Raises `ValidationError`."""
    return _parse(text, field, 1, EVENTS_BURST_DEFAULT)


def parse_bytes_rate(text: str, field: str) -> Rate:
    """The same for bytes."""
    return _parse(text, field, BYTES_BURST_MIN, BYTES_BURST_DEFAULT)


def _parse(text: str, field: str, burst_min: int, burst_default: int) -> Rate:
    per_second, colon, burst = text.partition(":")
    if not _is_number(per_second) or (colon and not _is_number(burst)):
        raise ValidationError(
            f"{field}: {text[:50]!r} is no rate: write PER_SECOND or PER_SECOND:BURST, such as"
            " 1000:20000",
            field=field,
        )
    rate = Rate(int(per_second), int(burst) if colon else max(int(per_second), burst_default))
    if not 1 <= rate.per_second <= RATE_MAX or not burst_min <= rate.burst <= RATE_MAX:
        raise ValidationError(
            f"{field}: {text!r} is out of range: 1 to {RATE_MAX} a second,"
            f" {burst_min} to {RATE_MAX} at once",
            field=field,
        )
    return rate


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= len(str(RATE_MAX))
