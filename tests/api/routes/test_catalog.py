"""The whole catalog over HTTP: read, compared, applied."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.clock import SystemClock
from db.postgres import Database
from identity.api_keys import (
    CATALOG_READ,
    CATALOG_WRITE,
    METERS_READ,
    METERS_WRITE,
    insert_api_key,
)
from tests.api.management import Party, add_party, management
from tests.plugins.database import do
from tests.subscriptions.world import meter, plan

WHOLE = {"meters": [meter()], "plans": [plan()]}
Headers = dict[str, str]


@pytest.fixture
def acme(database_url: str) -> Party:
    return add_party(database_url, "acme")


def key(database: Database, acme: Party, *scopes: str) -> Headers:
    text = do(database, insert_api_key, SystemClock(), acme.tenant_id, "k", scopes)
    return {"Authorization": f"Bearer {text}"}


@pytest.fixture
def writer(database: Database, acme: Party) -> Headers:
    return key(database, acme, CATALOG_READ, CATALOG_WRITE, METERS_READ, METERS_WRITE)


@pytest.fixture
def reader(database: Database, acme: Party) -> Headers:
    return key(database, acme, CATALOG_READ, METERS_READ)


@pytest.fixture
def client(
    writer: Headers, reader: Headers, database_url: str, tmp_path: Path
) -> Iterator[httpx.Client]:
    assert writer
    assert reader
    with management(database_url, tmp_path) as opened:
        yield opened


def test_what_is_applied_is_read_back_and_equal(
    client: httpx.Client, writer: Headers, reader: Headers
) -> None:
    def post(path: str, body: Any, headers: Headers = writer) -> httpx.Response:
        return client.post(f"/v1/catalog/{path}", json=body, headers=headers)

    compared = post("diff", WHOLE, reader).json()
    assert [each["outcome"] for each in compared["findings"]] == ["created", "created"]
    assert client.get("/v1/catalog", headers=reader).json()["plans"] == []
    assert post("apply", WHOLE, reader).status_code == 403
    assert post("apply", WHOLE).json() == compared
    read = client.get("/v1/catalog", headers=reader).json()
    assert [each["slug"] for each in read["meters"]] == ["tokens"]
    assert post("diff", read, reader).json()["differs"] is False
    drafted = post("apply?draft=true", {"plans": [plan("next")]}).json()
    assert [each["outcome"] for each in drafted["findings"]] == ["created"]
    pruned = post("diff?prune=true", WHOLE).json()
    assert [(each["slug"], each["outcome"]) for each in pruned["findings"]][-1] == (
        "next",
        "archived",
    )


def test_a_refusal_carries_its_findings(client: httpx.Client, writer: Headers) -> None:
    wrong = {"meters": [meter(), meter()], "plans": [plan("x", ("none",))]}
    found = client.post("/v1/catalog/apply", json=wrong, headers=writer)
    assert found.status_code == 400
    error = found.json()["error"]
    assert error["message"].startswith("meters[1].slug: ")
    assert error["message"].endswith("(and 1 more)")
    assert [each["outcome"] for each in error["details"]["findings"]] == [
        "created", "impossible", "impossible",
    ]  # fmt: skip
    shape = client.post("/v1/catalog/diff", json={"plan": []}, headers=writer)
    assert (shape.status_code, shape.json()["error"]["details"]["field"]) == (400, "plan")


def test_a_repeated_request_is_answered_alike(client: httpx.Client, writer: Headers) -> None:
    headers = writer | {"Idempotency-Key": "once"}
    first, second = (
        client.post("/v1/catalog/apply", json=WHOLE, headers=headers).json() for _ in range(2)
    )
    assert first == second
    assert first["differs"] is True
