"""Stripe's session and stream: a token on behalf of a key, for a while."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx

from catalog.snapshot import CatalogSnapshot
from tests.api.compat.app import KEY, Routes

SESSION, STREAM = (
    f"/compat/stripe/v2/billing/meter_event_{name}" for name in ("session", "stream")
)
EVENT = {"event_name": "t", "payload": {"stripe_customer_id": "s", "value": "1"}}


def _session(routes: Routes, key: str = KEY) -> httpx.Response:
    return routes.ask("POST", SESSION, json={}, headers={"authorization": f"Bearer {key}"})


def _stream(routes: Routes, token: str, **headers: str) -> httpx.Response:
    body: dict[str, Any] = {"events": [EVENT, EVENT]}
    return routes.ask(
        "POST", STREAM, json=body, headers={"authorization": f"Bearer {token}"} | headers
    )


def test_a_token_works_in_another_process_until_it_expires() -> None:
    one, other = Routes(), Routes()
    opened = _session(one)
    assert opened.status_code == 200
    token = opened.json()["authentication_token"]
    assert (opened.json()["created"], opened.json()["expires_at"]) == (
        "2026-11-21T12:00:00Z",
        "2026-11-21T12:15:00Z",
    )
    other.clock.advance(timedelta(seconds=15 * 60 - 1))
    sent = _stream(other, token)
    assert (sent.status_code, sent.json()) == (200, {})
    assert len(other.log.events) == 2
    other.clock.advance(timedelta(seconds=1))
    late = _stream(other, token)
    assert late.status_code == 401
    assert late.json()["error"]["code"] == "billing_meter_event_session_expired"


def test_a_revoked_key_takes_its_sessions_with_it() -> None:
    routes = Routes()
    token = _session(routes).json()["authentication_token"]
    routes.source.snapshot = CatalogSnapshot(0, ())
    revoked = _stream(routes, token)
    assert revoked.status_code == 401
    assert "was revoked" in revoked.json()["error"]["message"]
    assert _session(routes).status_code == 401


def test_a_key_is_no_token_and_a_token_no_key() -> None:
    routes = Routes()
    token = _session(routes).json()["authentication_token"]
    assert _stream(routes, KEY).status_code == 401
    assert _session(routes, token).status_code == 401


def test_a_repeated_request_has_the_same_ids_where_it_says_that_it_is_one() -> None:
    routes = Routes()
    token = _session(routes).json()["authentication_token"]
    for _ in range(2):
        assert _stream(routes, token, **{"idempotency-key": "k"}).status_code == 200
    first = [event["id"] for event in routes.log.events]
    assert first[:2] == first[2:]
    assert len(set(first)) == 2
    assert _stream(routes, token).status_code == 200
    assert len({event["id"] for event in routes.log.events}) == 4
