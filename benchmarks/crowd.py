"""A crowd of subscribers: made inside Postgres from numbers, and told again from the numbers.

Customer `n` has one subject and one subscription, monthly from a day of January 2024 on. One in
five has a period to invoice at `AS_OF`, one in 55 has three; some are paused, some end soon. What a
number stands for is computed here a second time, by Python's own calendar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import psycopg

from benchmarks.installation import load_sql
from core.clock import ManualClock
from core.ids import TenantId
from db.postgres import Database
from subscriptions.setup import apply_catalog

AS_OF: Final = datetime(2024, 6, 29, 12, tzinfo=UTC)
PAUSED_AT: Final = datetime(2024, 5, 15, tzinfo=UTC)
_ZONES: Final = ("Europe/Berlin", "America/New_York", "Asia/Kolkata")
_BLOCK: Final = 50_000
_TABLES: Final = ("customers", "subjects", "subscriptions", "terms", "pauses", "changes")
_FEE: Final = {"key": "platform", "name": "Fee", "price": {"model": "flat", "amount": "99.00"}}
_SEATS: Final = {
    "key": "seats", "name": "Seats", "quantity": "1",
    "price": {"model": "per_unit", "amount": "9.00"},
}  # fmt: skip
_TOKENS: Final = {
    "key": "tokens", "name": "Tokens", "meter": "tokens",
    "price": {"model": "per_unit", "amount": "3.00", "per": 1_000_000},
}  # fmt: skip
_METER: Final = {
    "slug": "tokens", "name": "Tokens", "event_type": "llm.request", "aggregation": "sum",
    "value": "tokens",
}  # fmt: skip

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Made:
    """A due period as it must be found: `billed` is what no pause takes away, if anything."""

    number: int
    period: Span
    billed: Span | None


@dataclass(frozen=True, slots=True)
class Crowd:
    """`count` subscribers of a tenant, and `spare` customers behind them that subscribe to nothing.

    Use `fill` to make one.
    """

    tenant_id: TenantId
    count: int
    spare: int

    @property
    def due_count(self) -> int:
        """Subscriptions with at least one period to invoice."""
        return self.count // 5

    def due(self) -> Iterator[Made]:
        """All due periods, in order."""
        for number in range(5, self.count + 1, 5):
            yield from due_periods_of(number)


def due_periods_of(number: int) -> Iterator[Made]:
    """What is to be invoiced of one subscription, in order of time."""
    for month in range(3 if number % 11 == 0 else 5, 6):
        start, end = _instant(number, month), _instant(number, month + 1)
        billed: Span | None = (start, end)
        if number % 37 == 0 and end > PAUSED_AT:
            billed = (start, PAUSED_AT) if start < PAUSED_AT else None
        yield Made(number, (start, end), billed)


def _instant(number: int, month: int) -> datetime:
    zone = ZoneInfo(_ZONES[number % 3])
    return datetime(2024, month, 1 + number % 28, tzinfo=zone).astimezone(UTC)


def fill(
    url: str,
    count: int,
    spare: int = 0,
    *,
    tenant: str = "crowd",
    tell: Callable[[int], None] = lambda _: None,
) -> Crowd:
    """Make a tenant with a crowd, by a login that sees all; `tell` is told how many there are."""
    clock = ManualClock(datetime(2024, 1, 1, tzinfo=UTC))
    with Database(url) as db:
        made = apply_catalog(db, clock, _document(tenant))
    crowd = Crowd(made.tenant_id, count, spare)
    shared = {
        "tenant_id": crowd.tenant_id, "subscribed": count, "as_of": AS_OF, "paused_at": PAUSED_AT,
    }  # fmt: skip
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(load_sql("create_crowd"))
        for first in range(1, count + spare + 1, _BLOCK):
            last = min(first + _BLOCK - 1, count + spare)
            values = shared | {"first": first, "last": last}
            for name in ("crowd", *(f"crowd_{table}" for table in _TABLES)):
                conn.execute(load_sql(f"insert_{name}"), values)
            tell(last)
        conn.execute(load_sql("vacuum_crowd"))
    return crowd


def reset(url: str, crowd: Crowd) -> None:
    """Let everything be due again that was."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(load_sql("reset_crowd"), {"tenant_id": crowd.tenant_id})
        conn.execute(load_sql("vacuum_crowd"))


def _document(tenant: str) -> dict[str, Any]:
    plan = {
        "slug": "standard", "name": "Standard", "currency": "USD",
        "rate_cards": [_FEE, _SEATS, _TOKENS],
    }  # fmt: skip
    return {
        "tenant": {"slug": tenant, "name": tenant}, "meters": [_METER], "plans": [plan],
        "customers": [], "subscriptions": [],
    }  # fmt: skip
