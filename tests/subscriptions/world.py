"""A small tenant, made by a set-up document: what these tests start from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from core.clock import ManualClock
from db.postgres import Database
from subscriptions.setup import AppliedIds, apply_catalog

NOW = datetime(2024, 1, 15, 12, tzinfo=UTC)


def meter(slug: str = "tokens") -> dict[str, Any]:
    return {
        "slug": slug,
        "name": slug.title(),
        "event_type": "llm.request",
        "aggregation": "sum",
        "value": f"usage.{slug}",
    }


def plan(slug: str = "standard", meters: tuple[str, ...] = ("tokens",)) -> dict[str, Any]:
    flat = {"key": "platform", "name": "Fee", "price": {"model": "flat", "amount": "99.00"}}
    price = {"model": "per_unit", "amount": "3.00", "per": 1_000_000}
    lines = [{"key": each, "name": each, "meter": each, "price": dict(price)} for each in meters]
    return {"slug": slug, "name": slug, "currency": "USD", "rate_cards": [flat, *lines]}


def customer(slug: str = "contoso", **changes: Any) -> dict[str, Any]:
    return {
        "slug": slug,
        "name": slug.title(),
        "currency": "USD",
        "time_zone": "Europe/Berlin",
        "subjects": [f"{slug}-chat"],
    } | changes


def subscription(customer_slug: str = "contoso", **changes: Any) -> dict[str, Any]:
    return {
        "slug": f"{customer_slug}-standard",
        "customer": customer_slug,
        "plan": "standard",
        "anchor": date(2023, 11, 1),
    } | changes


def document(**parts: Any) -> dict[str, Any]:
    """One of each, unless `parts` say otherwise."""
    return {
        "tenant": {"slug": "acme", "name": "Acme"},
        "meters": [meter()],
        "plans": [plan()],
        "customers": [customer()],
        "subscriptions": [subscription()],
    } | parts


def apply(database: Database, content: Mapping[str, Any], now: datetime = NOW) -> AppliedIds:
    return apply_catalog(database, ManualClock(now), dict(content))
