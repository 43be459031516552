from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.clock import ManualClock
from db.postgres import Database
from tests.api.management import Party, add_party, management

TOKENS = {
    "slug": "tokens",
    "name": "Tokens",
    "event_type": "llm.request",
    "aggregation": "sum",
    "value": "usage.input + 3 * usage.output",
    "filter": {"path": "model", "in": ["large", "small"]},
    "dimensions": {"model": "model"},
    "unit": "tokens",
    "metadata": {"team": "gateway"},
}
JSON = {"Content-Type": "application/json"}
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def _count(slug: str) -> dict[str, Any]:
    return {"slug": slug, "event_type": "t", "aggregation": "count"}


@pytest.fixture
def acme(database_url: str) -> Party:
    return add_party(database_url, "acme")


@pytest.fixture
def client(acme: Party, database_url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    with management(database_url, tmp_path, clock=ManualClock(NOW)) as opened:
        yield opened


def test_a_meter_is_created_shown_relabelled_and_archived(
    client: httpx.Client, acme: Party
) -> None:
    created = client.post("/v1/meters", json=TOKENS, headers=acme.writer)
    assert created.status_code == 201, created.text
    meter = created.json()
    assert meter["id"].startswith("mtr_")
    assert meter["event_types"] == ["llm.request"]
    assert (meter["aggregation"], meter["unit"]) == ("sum", "tokens")
    assert meter["dimensions"] == {"model": "model"}
    assert meter["metadata"] == {"team": "gateway"}
    assert (meter["catalog_version"], meter["archived_at"]) == (1, None)
    assert client.get("/v1/meters/tokens", headers=acme.reader).json() == meter

    labels = {"name": "Tokens used", "metadata": {"team": "billing"}}
    renamed = client.patch("/v1/meters/tokens", json=labels, headers=acme.writer).json()
    assert renamed == meter | labels

    archived = client.post(
        "/v1/meters/tokens/archive", json={"at": "2026-04-01T02:00:00+02:00"}, headers=acme.writer
    )
    assert archived.json() == renamed | {"archived_at": "2026-04-01T00:00:00+00:00"}
    again = client.post("/v1/meters/tokens/archive", headers=acme.writer)
    assert again.json() == archived.json()


def test_meters_are_listed_in_pages(client: httpx.Client, acme: Party) -> None:
    for number in range(5):
        document = _count(f"m{number}")
        assert client.post("/v1/meters", json=document, headers=acme.writer).status_code == 201
    client.post("/v1/meters/m1/archive", headers=acme.writer)
    slugs: list[str] = []
    asked: dict[str, Any] = {"limit": 2}
    while True:
        page = client.get("/v1/meters", params=asked, headers=acme.reader).json()
        slugs += [meter["slug"] for meter in page["data"]]
        if page["next_cursor"] is None:
            break
        asked["cursor"] = page["next_cursor"]
    assert slugs == ["m0", "m1", "m2", "m3", "m4"]
    for archived, expected in ((True, ["m1"]), (False, ["m0", "m2", "m3", "m4"])):
        page = client.get("/v1/meters", params={"archived": archived}, headers=acme.reader).json()
        assert [meter["slug"] for meter in page["data"]] == expected
    for wrong in ({"cursor": "x"}, {"cursor": "YQ"}, {"limit": 0}, {"limit": 201}):
        refused = client.get("/v1/meters", params=wrong, headers=acme.reader)
        assert (refused.status_code, refused.json()["success"]) == (400, False)


def test_a_tenant_sees_and_changes_only_its_own_meters(
    client: httpx.Client, acme: Party, database_url: str, tmp_path: Path
) -> None:
    client.post("/v1/meters", json=TOKENS, headers=acme.writer)
    other = add_party(database_url, "other")
    with management(database_url, tmp_path / "second") as second:
        assert second.get("/v1/meters", headers=other.reader).json()["data"] == []
        for answer in (
            second.get("/v1/meters/tokens", headers=other.reader),
            second.patch("/v1/meters/tokens", json={"name": "x"}, headers=other.writer),
            second.post("/v1/meters/tokens/archive", headers=other.writer),
        ):
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
        assert second.post("/v1/meters", json=TOKENS, headers=other.writer).status_code == 201


def test_a_key_does_what_its_scopes_say(client: httpx.Client, acme: Party) -> None:
    assert client.get("/v1/meters").status_code == 401
    assert client.get("/v1/meters", headers=acme.sender).status_code == 403
    for headers in (acme.reader, acme.sender):
        assert client.post("/v1/meters", json=TOKENS, headers=headers).status_code == 403
    assert client.get("/v1/meters", headers=acme.reader).json()["data"] == []


@pytest.mark.parametrize(
    ("change", "status", "word"),
    [
        ({"slug": "Not A Slug"}, 400, "slug"),
        ({"slug": None}, 400, "slug"),
        ({"aggregation": "median"}, 400, "aggregation"),
        ({"value": "1 +"}, 400, "value"),
        ({"filter": {"path": "x"}}, 400, "filter"),
        ({"colour": "red"}, 400, "colour"),
        ({"metadata": {"team": 1}}, 400, "metadata"),
        ({"metadata": {"team": "\ud800"}}, 400, "metadata"),
        ({"\ud800": 1}, 400, "no such field"),
        ({"name": "a\x00b"}, 400, "name"),
        ({"unit": "\ud800"}, 400, "unit"),
        ({"unit": 5}, 400, "unit"),
        ({"value": 5}, 400, "value"),
        ({"aggregation": ["sum"]}, 400, "aggregation"),
        ({"event_type": "a\x00b"}, 400, "event_type"),
        ({"dimensions": {"a": 5}}, 400, "dimensions.a"),
        ({"filter": {"path": "x", "equals": "\x00"}}, 400, "filter.equals"),
        ({"filter": {"path": "x", "equals": 10**300}}, 400, "filter.equals"),
        ({"conversion": {"factor": "1e1000000"}}, 400, "conversion.factor"),
    ],
)
def test_a_document_that_is_no_meter_is_refused_with_the_field(
    client: httpx.Client, acme: Party, change: dict[str, Any], status: int, word: str
) -> None:
    body = json.dumps(TOKENS | change)
    refused = client.post("/v1/meters", content=body, headers=acme.writer | JSON)
    assert refused.status_code == status, refused.text
    assert word in refused.json()["error"]["message"]
    assert client.get("/v1/meters", headers=acme.reader).json()["data"] == []


def test_a_slug_that_is_none_is_not_found(client: httpx.Client, acme: Party) -> None:
    for slug in ("a%00b", "%ff", "%ed%a0%80", "A B", "x" * 1000):
        assert client.get(f"/v1/meters/{slug}", headers=acme.reader).status_code == 404
        archived = client.post(f"/v1/meters/{slug}/archive", headers=acme.writer)
        assert archived.status_code == 404


def test_no_instant_stops_the_catalog_from_being_read(client: httpx.Client, acme: Party) -> None:
    client.post("/v1/meters", json=TOKENS, headers=acme.writer)
    for at in ("9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2100-01-01T00:00:00Z"):
        refused = client.post("/v1/meters/tokens/archive", json={"at": at}, headers=acme.writer)
        assert (refused.status_code, refused.json()["error"]["details"]["field"]) == (
            400,
            "archived_at",
        )
    assert len(client.get("/v1/meters", headers=acme.reader).json()["data"]) == 1


@pytest.mark.parametrize("start", ["0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z"])
@pytest.mark.parametrize("end", ["9999-12-31T23:59:59-14:00", "2100-01-01T00:00:01Z"])
def test_a_trial_of_a_time_that_no_event_has_names_both_ends(
    client: httpx.Client, acme: Party, start: str, end: str
) -> None:
    trial = {"meter": TOKENS, "start": start, "end": end}
    refused = client.post("/v1/meters/dry-run", json=trial, headers=acme.reader)
    assert refused.status_code == 400
    fields = [problem["field"] for problem in refused.json()["error"]["details"]["problems"]]
    assert fields == ["body.start", "body.end"]


def test_a_slug_in_use_and_an_instant_in_the_past_are_refused(
    client: httpx.Client, acme: Party
) -> None:
    client.post("/v1/meters", json=TOKENS, headers=acme.writer)
    assert client.post("/v1/meters", json=TOKENS, headers=acme.writer).status_code == 409
    past = {"at": "2026-02-28T00:00:00Z"}
    refused = client.post("/v1/meters/tokens/archive", json=past, headers=acme.writer)
    assert refused.status_code == 400
    unknown = client.patch("/v1/meters/tokens", json={"value": "x"}, headers=acme.writer)
    assert unknown.status_code == 400


def test_a_repeated_post_with_the_same_key_gets_the_first_answer(
    client: httpx.Client, acme: Party, database: Database
) -> None:
    headers = acme.writer | {"Idempotency-Key": "create-1"}
    first = client.post("/v1/meters", json=TOKENS, headers=headers)
    client.patch("/v1/meters/tokens", json={"name": "Other"}, headers=acme.writer)
    again = client.post("/v1/meters", json=TOKENS, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())

    other = client.post("/v1/meters", json=TOKENS | {"slug": "b"}, headers=headers)
    assert other.status_code == 422
    wrong = client.post(
        "/v1/meters", json=_count("c"), headers=acme.writer | {"Idempotency-Key": "a b"}
    )
    assert wrong.status_code == 400

    failed = acme.writer | {"Idempotency-Key": "create-2"}
    assert client.post("/v1/meters", json=TOKENS, headers=failed).status_code == 409
    assert client.post("/v1/meters", json=_count("d"), headers=failed).status_code == 201
    with database.transaction() as conn:
        keys = conn.execute("SELECT key FROM identity.idempotency_keys ORDER BY key").fetchall()
    assert [row["key"] for row in keys] == ["create-1", "create-2"]


def test_a_key_that_is_being_worked_on_is_a_conflict(
    client: httpx.Client, acme: Party, database: Database
) -> None:
    headers = acme.writer | {"Idempotency-Key": "slow"}
    with database.transaction() as conn:  # someone else's request, held open
        conn.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s::text || ' ' || 'slow', 0))",
            (acme.tenant_id,),
        )
        busy = client.post("/v1/meters", json=TOKENS, headers=headers)
    assert (busy.status_code, busy.json()["error"]["code"]) == (409, "conflict")
    assert client.post("/v1/meters", json=TOKENS, headers=headers).status_code == 201


def test_of_many_posts_at_once_with_one_key_one_takes_effect(
    client: httpx.Client, acme: Party, database: Database
) -> None:
    headers = acme.writer | {"Idempotency-Key": "storm"}
    statuses: list[int] = []

    def post() -> None:
        statuses.append(client.post("/v1/meters", json=TOKENS, headers=headers).status_code)

    threads = [threading.Thread(target=post) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {201, 409}
    assert 201 in statuses
    with database.transaction() as conn:
        row = conn.execute("SELECT count(*) AS n FROM catalog.meters").fetchone()
    assert row == {"n": 1}


def test_health_and_the_document_of_the_api_are_there(client: httpx.Client) -> None:
    assert client.get("/livez").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready"}
    document = client.get("/openapi.json").json()
    assert {"/v1/meters", "/v1/meters/{slug}", "/v1/meters/{slug}/archive"} <= set(
        document["paths"]
    )
    assert document["security"] == [{"apiKey": []}]
