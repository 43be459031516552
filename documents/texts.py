"""Numbers and times as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

# fmt: off
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)
# fmt: on
DOT: Final = " \N{MIDDLE DOT} "
"""Between what is said one after the other."""

_DASH: Final = "\N{EN DASH}"
_MINUS: Final = "\N{MINUS SIGN}"


def group_digits(text: str) -> str:
    """Plain decimal text with separators and a true minus: "-1234567.80" → "−1,234,567.80"."""  # noqa: RUF002 - the sign is the point
    sign = _MINUS if text.startswith("-") else ""
    whole, point, decimals = text.removeprefix("-").partition(".")
    return f"{sign}{int(whole):,}{point}{decimals}"


def shortest(text: str) -> str:
    """A quantity without trailing zeros, grouped: "18243391.000000000000" → "18,243,391"."""
    whole, _, decimals = text.partition(".")
    kept = decimals.rstrip("0")
    return group_digits(f"{whole}.{kept}" if kept else whole)


def service_period(period: Mapping[str, str], zone: ZoneInfo) -> str:
    """The half-open period as people read it: whole days as first to last day, else with times."""
    start = datetime.fromisoformat(period["start"]).astimezone(zone)
    end = datetime.fromisoformat(period["end"]).astimezone(zone)
    if start.time() == end.time() == time():
        last = (end - timedelta(days=1)).date()
        return f"{date_text(start)} {_DASH} {date_text(datetime.combine(last, time()))}"
    return f"{date_text(start)}, {_clock(start)} {_DASH} {date_text(end)}, {_clock(end)}"


def date_text(at: datetime) -> str:
    """A day: "1 November 2023"."""
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}"


def _clock(at: datetime) -> str:
    return at.strftime("%H:%M:%S" if at.second else "%H:%M")
