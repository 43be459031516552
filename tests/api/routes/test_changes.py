from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.clock import SystemClock
from db.postgres import Database
from identity.api_keys import CHANGES_READ, insert_api_key
from tests.api.management import Party, add_party, management
from tests.plugins.database import do


@pytest.fixture
def acme(database_url: str) -> Party:
    return add_party(database_url, "acme")


@pytest.fixture
def listener(acme: Party, database: Database) -> dict[str, str]:
    """The headers of somebody who may read what changed, and nothing else."""
    key = do(database, insert_api_key, SystemClock(), acme.tenant_id, "l", (CHANGES_READ,))
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def client(listener: dict[str, str], database_url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    assert listener
    with management(database_url, tmp_path) as opened:
        yield opened


def follow(client: httpx.Client, headers: dict[str, str], **asked: Any) -> list[dict[str, Any]]:
    """Everything there is, page by page, and then nothing more."""
    found: list[dict[str, Any]] = []
    while True:
        answer = client.get("/v1/changes", params=asked, headers=headers).raise_for_status().json()
        if not answer["data"]:
            assert answer["next_cursor"] == asked.get("cursor")
            return found
        assert len(answer["data"]) <= asked["limit"]
        found += answer["data"]
        asked["cursor"] = answer["next_cursor"]


@pytest.mark.req("OUT-05", "OUT-18", "ING-14")
def test_what_a_client_does_is_read_back_with_who_did_it_and_in_which_request(
    client: httpx.Client, acme: Party, listener: dict[str, str]
) -> None:
    meter = {"slug": "calls", "event_type": "t", "aggregation": "count"}
    asking = acme.writer | {"X-Request-Id": "from-the-gateway-7"}
    created = client.post("/v1/meters", json=meter, headers=asking).json()
    client.patch("/v1/meters/calls", json={"name": "Calls"}, headers=asking)
    client.post("/v1/meters/calls/archive", headers=asking)
    refused = client.post("/v1/meters", json=meter, headers=asking)
    assert refused.status_code == 409

    everything = follow(client, listener, limit=2)
    assert [event["position"] for event in everything] == list(range(1, len(everything) + 1))
    *before, made, renamed, archived = everything
    assert [event["subject"] for event in before] == ["tenant.created", *["api_key.created"] * 4]
    assert [event["subject"] for event in (made, renamed, archived)] == [
        "meter.created", "meter.updated", "meter.archived",
    ]  # fmt: skip
    assert made["payload"] == created
    assert renamed["payload"]["name"] == "Calls"
    assert archived["payload"]["archived_at"] is not None
    assert {event["resource_id"] for event in (made, renamed, archived)} == {created["id"]}
    assert {event["correlation_id"] for event in (made, renamed, archived)} == {
        "from-the-gateway-7"
    }
    keys = {event["resource_id"] for event in before[1:]}
    assert made["actor"] in keys
    assert not any("secret" in str(event) or "key_hash" in str(event) for event in everything)
    assert follow(client, listener, limit=9, subject=["meter.created"]) == [made]


def test_who_may_not_and_what_is_no_cursor_is_refused(
    client: httpx.Client, acme: Party, listener: dict[str, str]
) -> None:
    assert client.get("/v1/changes", headers=acme.writer).status_code == 403
    assert client.get("/v1/changes").status_code == 401
    for asked in ({"cursor": "x"}, {"limit": 0}, {"limit": 1001}):
        answer = client.get("/v1/changes", params=asked, headers=listener)
        assert answer.status_code == 400
        assert next(iter(asked)) in answer.json()["error"]["message"]


def test_a_cursor_whose_next_events_are_gone_is_refused_by_name(
    client: httpx.Client, database: Database, listener: dict[str, str]
) -> None:
    page = client.get("/v1/changes", params={"limit": 1}, headers=listener).json()
    with database.transaction() as conn:
        conn.execute("UPDATE outbox.positions SET pruned_position = 3")
    answer = client.get("/v1/changes", params={"cursor": page["next_cursor"]}, headers=listener)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "cursor_expired")
