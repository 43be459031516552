"""Contracts over HTTP: created once, shown, listed, ended early; and their events."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.api.routes.conftest import Headers
from tests.subscriptions.operating import Desk

NEW: dict[str, Any] = {
    "slug": "deal",
    "customer": "contoso",
    "subscription": "sub",
    "end": "2025-01-01T00:00:00Z",
    "minimum": "250.00",
    "prices": [{"key": "platform", "price": {"model": "flat", "amount": "49.00"}}],
    "metadata": {"signed-by": "N. N."},
}


@pytest.fixture
def desk(desk: Desk) -> Desk:
    desk.subscribe()
    return desk


def test_a_contract_is_created_shown_listed_and_ended(
    client: httpx.Client, writer: Headers, reader: Headers, desk: Desk
) -> None:
    made = client.post("/v1/contracts", json=NEW, headers=writer)
    assert made.status_code == 201, made.text
    told = made.json()
    assert (told["start"], told["end"], told["ended_at"]) == (
        "2024-01-01T00:00:00+00:00",
        "2025-01-01T00:00:00+00:00",
        None,
    )
    assert told["minimum"] == {"amount": "250", "currency": "USD"}
    [price] = told["prices"]
    assert (price["key"], price["plan"], price["price"]["amount"]) == ("platform", None, "49")
    for name in ("deal", told["id"]):
        assert client.get(f"/v1/contracts/{name}", headers=reader).json() == told
    listed = client.get("/v1/contracts?customer=contoso", headers=reader).json()
    assert listed == {"data": [told], "next_cursor": None}
    other = client.get("/v1/contracts?customer=fabrikam", headers=reader).json()
    assert other == {"data": [], "next_cursor": None}

    fee = client.get("/v1/subscriptions/sub/bought", headers=reader).json()["plan"]["rate_cards"][0]
    assert (fee["price"], fee["contract"]) == (price["price"], "deal")

    desk.clock.advance(timedelta(days=10))
    ended = client.post("/v1/contracts/deal/end", json={}, headers=writer).json()
    assert ended["ended_at"] == ended["prices"][0]["end"] == "2024-01-11T00:00:00+00:00"
    fee = client.get("/v1/subscriptions/sub/bought", headers=reader).json()["plan"]["rate_cards"][0]
    assert (fee["price"]["amount"], "contract" in fee) == ("99", False)
    changes = client.get("/v1/changes", headers=writer).json()["data"]
    events = [
        (each["subject"], each["payload"])
        for each in changes
        if each["subject"].startswith("contract.")
    ]
    assert events == [("contract.created", told), ("contract.ended", ended)]


def test_the_same_key_agrees_once(client: httpx.Client, writer: Headers) -> None:
    once = writer | {"Idempotency-Key": "deal-1"}
    first, again = (client.post("/v1/contracts", json=NEW, headers=once) for _ in range(2))
    assert (first.status_code, first.json()) == (201, again.json())
    other = client.post("/v1/contracts", json=NEW | {"minimum": "1"}, headers=once)
    assert other.status_code == 422
    assert client.post("/v1/contracts", json=NEW, headers=writer).status_code == 409


def test_pages_follow_the_slugs(client: httpx.Client, writer: Headers, reader: Headers) -> None:
    plain = {"customer": "contoso", "end": "2025-01-01T00:00:00Z"}
    for slug in ("c", "a", "b"):
        made = client.post("/v1/contracts", json=plain | {"slug": slug}, headers=writer)
        assert made.status_code == 201, made.text
    first = client.get("/v1/contracts?limit=2", headers=reader).json()
    rest = client.get(
        "/v1/contracts", params={"limit": "2", "cursor": first["next_cursor"]}, headers=reader
    ).json()
    assert [each["slug"] for each in (*first["data"], *rest["data"])] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("body", "status", "path"),
    [
        (NEW | {"ends": 1}, 400, "ends"),
        (NEW | {"end": "2025-01-01T00:00:00"}, 400, "end"),
        (NEW | {"start": "0001-01-01T00:00:00+14:00"}, 400, "start"),
        (NEW | {"end": "9999-12-31T23:59:59-14:00"}, 400, "end"),
        (NEW | {"name": "a\x00b"}, 400, "name"),
        (NEW | {"minimum": "1e5"}, 400, "minimum.amount"),
        (NEW | {"minimum": 1.5}, 400, "minimum"),
        (NEW | {"metadata": {"a": "x" * 5000}}, 400, "metadata"),
        (NEW | {"customer": "nobody"}, 404, "customer"),
        (NEW | {"subscription": "none"}, 404, "subscription"),
        (
            NEW | {"prices": [{"key": "platform", "price": {"model": "odd"}}]},
            400,
            "prices[0].price",
        ),
        (
            NEW | {"prices": [NEW["prices"][0] | {"plan": "none"}]},
            404,
            "prices[0].plan",
        ),
        (NEW | {"slug": "Deal 1"}, 400, "slug"),
    ],
)
def test_what_is_wrong_is_named(
    client: httpx.Client, writer: Headers, body: dict[str, Any], status: int, path: str
) -> None:
    found = client.post("/v1/contracts", json=body, headers=writer)
    assert found.status_code == status, found.text
    assert path in found.json()["error"]["message"]


def test_who_may_only_read_agrees_on_nothing(client: httpx.Client, reader: Headers) -> None:
    assert client.post("/v1/contracts", json=NEW, headers=reader).status_code == 403
    gone = client.get("/v1/contracts/none", headers=reader)
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "contract_not_found")
