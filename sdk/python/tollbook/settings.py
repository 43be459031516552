"""What a client is told when it is made, checked once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import httpx

from tollbook.errors import DeliveryError
from tollbook.events import EVENT_BYTES_MAX, Event
from tollbook.retries import RetryPolicy
from tollbook.verdicts import Rejection

BATCH_EVENTS = 4_000
BATCH_EVENTS_MAX = 10_000
BATCH_BYTES = 1_000_000
BATCH_BYTES_MAX = 9 * 1024 * 1024
BATCH_SECONDS = 0.5
BATCH_SECONDS_MAX = 3_600.0
QUEUE_EVENTS = 100_000
QUEUE_BYTES = 64 * 1024 * 1024
SPOOL_BYTES = 16 * 1024**3
TIMEOUT_SECONDS = 30.0
CLOSE_SECONDS = 10.0


@dataclass(frozen=True)
class Callbacks:
    """Called on the sender's thread; what they raise is logged."""

    on_accepted: Callable[[Sequence[Event]], None] | None = None
    on_rejected: Callable[[Rejection], None] | None = None
    on_error: Callable[[DeliveryError], None] | None = None


@dataclass(frozen=True)
class Settings:
    """Raises `ValueError`, naming the setting, for what cannot be."""

    base_url: str
    api_key: str = field(repr=False)
    source: str
    batch_events: int
    batch_bytes: int
    batch_seconds: float
    queue_events: int
    queue_bytes: int
    block_seconds: float
    spool: Path | None
    spool_bytes: int
    spool_fsync: bool
    timeout_seconds: float
    retry: RetryPolicy
    callbacks: Callbacks

    def __post_init__(self) -> None:
        url = httpx.URL(self.base_url)
        if url.scheme not in {"http", "https"} or not url.host:
            raise ValueError(f"base_url: expected http(s)://host[:port], got {self.base_url!r}")
        _check("batch_events", self.batch_events, 1, BATCH_EVENTS_MAX)
        _check("batch_bytes", self.batch_bytes, 1, BATCH_BYTES_MAX)
        _check("batch_seconds", self.batch_seconds, 0, BATCH_SECONDS_MAX)
        _check("queue_events", self.queue_events, 1, inf)
        _check("queue_bytes", self.queue_bytes, EVENT_BYTES_MAX, inf)
        _check("block_seconds", self.block_seconds, 0, inf)
        _check("spool_bytes", self.spool_bytes, EVENT_BYTES_MAX, inf)
        if self.spool is not None and os.name != "posix":
            raise ValueError("spool: needs file locks of POSIX; leave it out to queue in memory")


def _check(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name}: expected {least:g} to {most:g}, got {value:g}")
