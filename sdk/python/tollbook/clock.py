"""The two questions to the operating system that this library asks."""

from __future__ import annotations

from datetime import datetime, timezone


def utc_now() -> datetime:
    """The current instant, aware, in UTC."""
    return datetime.now(tz=timezone.utc)
