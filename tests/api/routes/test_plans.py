"""Plans and features over HTTP: written, activated, listed in public, archived."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from catalog.meter_definition import MeterDefinition
from core.clock import ManualClock, SystemClock
from core.endpoints import Endpoints
from core.ids import MeterId, parse_id
from db.postgres import Database
from identity.api_keys import CATALOG_READ, CATALOG_WRITE, METERS_WRITE, SCOPES, insert_api_key
from tests.api.management import Party, add_party, management
from tests.plugins.database import do
from tests.usage.written_log import Log, Stored, write

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
CONTENT = {
    "currency": "USD",
    "rate_cards": [{"key": "fee", "name": "Fee", "price": {"model": "flat", "amount": "99.00"}}],
    "entitlements": [{"feature": "sso"}],
}
PLAN = {"slug": "standard", "name": "Standard", "public": True, "draft": CONTENT}
Headers = dict[str, str]


@pytest.fixture
def acme(database_url: str) -> Party:
    return add_party(database_url, "acme")


def key(database: Database, acme: Party, *scopes: str) -> Headers:
    text = do(database, insert_api_key, SystemClock(), acme.tenant_id, "k", scopes)
    return {"Authorization": f"Bearer {text}"}


@pytest.fixture
def writer(database: Database, acme: Party) -> Headers:
    return key(database, acme, CATALOG_READ, CATALOG_WRITE, METERS_WRITE)


@pytest.fixture
def reader(database: Database, acme: Party) -> Headers:
    return key(database, acme, CATALOG_READ)


@pytest.fixture
def client(
    writer: Headers, reader: Headers, database_url: str, tmp_path: Path
) -> Iterator[httpx.Client]:
    assert writer
    assert reader
    with management(database_url, tmp_path, clock=ManualClock(NOW)) as opened:
        sso = {"slug": "sso", "kind": "boolean"}
        assert opened.post("/v1/features", json=sso, headers=writer).status_code == 201
        yield opened


def public(client: httpx.Client, **headers: str) -> httpx.Response:
    return client.get("/v1/public/acme/plans", headers=headers)


@pytest.mark.req("CAT-01", "CAT-02", "CAT-09", "CAT-10")
def test_a_plan_is_written_sold_and_listed_in_public_without_a_key(
    client: httpx.Client, writer: Headers, reader: Headers
) -> None:
    assert public(client).json() == {"data": []}
    made = client.post("/v1/plans", json=PLAN, headers=writer)
    assert (made.status_code, made.json()["active_version"]) == (201, None), made.text
    assert public(client).json() == {"data": []}, "a draft is nobody's business"

    sold = client.post("/v1/plans/standard/activate", headers=writer).json()
    assert (sold["active_version"], sold["draft"]) == (1, None)
    listed = public(client)
    [shown] = listed.json()["data"]
    assert (shown["slug"], shown["version"], shown["currency"]) == ("standard", 1, "USD")
    assert shown["prices"] == {"monthly": {"amount": "99", "currency": "USD"}}
    assert [given["feature"] for given in shown["entitlements"]] == ["sso"]

    before = answers(client)
    again = public(client)
    assert (again.json(), again.headers["etag"]) == (listed.json(), listed.headers["etag"])
    weak = f'"other", W/{listed.headers["etag"]}'
    unchanged = public(client, **{"If-None-Match": weak})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["cache-control"] == listed.headers["cache-control"]
    assert answers(client) == before | {"memory": before.get("memory", 0) + 2}
    client.patch("/v1/plans/standard", json={"description": "For teams"}, headers=writer)
    assert public(client).json()["data"][0]["description"] == "For teams"
    assert answers(client)["postgres"] == before["postgres"] + 1

    version = client.get("/v1/plans/standard/versions/1", headers=reader).json()
    assert (version["status"], version["rate_cards"][0]["price"]["amount"]) == ("active", "99")
    client.post("/v1/plans/standard/archive", headers=writer)
    assert public(client).json() == {"data": []}
    version = client.get("/v1/plans/standard/versions/1", headers=reader).json()
    assert version["status"] == "archived"


def test_nested_prices_are_taken_and_shown(
    client: httpx.Client, writer: Headers, reader: Headers
) -> None:
    tiers = [{"up_to": "5", "unit_amount": "20"}, {"unit_amount": "15", "flat_amount": "1"}]
    price = {"model": "graduated", "tiers": tiers, "adjustments": {"percent_discount": "10"}}
    seats = {"key": "seats", "name": "Seats", "quantity": "5", "price": price}
    plan = PLAN | {"draft": CONTENT | {"rate_cards": [seats]}}
    made = client.post("/v1/plans", json=plan, headers=writer)
    assert made.status_code == 201, made.text
    assert made.json()["draft"]["rate_cards"] == [seats]
    client.post("/v1/plans/standard/activate", headers=writer)
    version = client.get("/v1/plans/standard/versions/1", headers=reader).json()
    for [card] in (version["rate_cards"], public(client).json()["data"][0]["rate_cards"]):
        assert (card["meter"], card["quantity"]) == (None, "5")
        assert price.items() <= card["price"].items()
    deep = price | {"tiers": [{"unit_amount": 1.5}]}
    wrong = CONTENT | {"rate_cards": [seats | {"price": deep}]}
    refused = client.put("/v1/plans/standard/draft", json=wrong, headers=writer)
    assert refused.status_code == 400
    assert refused.json()["error"]["message"].startswith("rate_cards[0].price.tiers[0].unit_amount")


@pytest.mark.req("CAT-09")
def test_currencies_and_phases_are_taken_and_listed(
    client: httpx.Client, writer: Headers, reader: Headers
) -> None:
    def flat(amount: str) -> dict[str, str]:
        return {"model": "flat", "amount": amount}

    fee = {"key": "fee", "name": "Fee", "price": flat("99"), "prices": {"JPY": flat("9000")}}
    special = {"key": "fee", "price": flat("49"), "prices": {"JPY": flat("4500")}}
    phases: list[dict[str, Any]] = [
        {"key": "try", "name": "Try", "lasts": "P14D", "trial": True},
        {"key": "ramp", "name": "Ramp", "lasts": "P3M", "prices": [special]},
    ]
    draft = CONTENT | {"rate_cards": [fee], "phases": phases}
    made = client.post("/v1/plans", json=PLAN | {"draft": draft}, headers=writer)
    assert made.status_code == 201, made.text
    assert made.json()["draft"]["phases"] == phases
    client.post("/v1/plans/standard/activate", headers=writer)
    version = client.get("/v1/plans/standard/versions/1", headers=reader).json()
    [listed] = public(client).json()["data"]
    assert listed["prices"]["monthly"]["others"] == [{"amount": "9000", "currency": "JPY"}]
    for shown in (version, listed):
        assert (shown["currency"], shown["currencies"]) == ("USD", ["USD", "JPY"])
        assert shown["rate_cards"][0]["prices"]["JPY"]["amount"] == "9000"
        assert [each["key"] for each in shown["phases"]] == ["try", "ramp"]
        assert shown["phases"][1]["prices"][0]["price"]["amount"] == "49"
    late = phases[1] | {"lasts": "soon"}
    wrong = client.put("/v1/plans/standard/draft", json=draft | {"phases": [late]}, headers=writer)
    assert wrong.status_code == 400
    assert wrong.json()["error"]["message"].startswith("phases[0].lasts: write up to 10 years")


def answers(client: httpx.Client) -> dict[str, int]:
    """How many public lists came from where, as the metrics say."""
    found = {}
    for line in client.get("/metrics").text.splitlines():
        if line.startswith("tollbook_http_public_plans_total{"):
            name, _, count = line.partition("} ")
            found[name.partition('source="')[2].rstrip('"')] = int(float(count))
    return found


def test_a_draft_is_only_replaced_by_who_read_it(
    client: httpx.Client, writer: Headers, reader: Headers
) -> None:
    client.post("/v1/plans", json=PLAN, headers=writer)
    read = client.get("/v1/plans/standard/draft", headers=reader)
    assert (read.headers["etag"], read.json()["content"]) == ('"1"', CONTENT)
    newer = CONTENT | {"entitlements": []}
    mine = writer | {"If-Match": read.headers["etag"]}
    assert client.put("/v1/plans/standard/draft", json=newer, headers=mine).status_code == 200
    late = client.put("/v1/plans/standard/draft", json=CONTENT, headers=mine)
    assert (late.status_code, late.json()["error"]["code"]) == (412, "precondition_failed")
    stale = client.post("/v1/plans/standard/activate", headers=mine)
    assert stale.status_code == 412
    odd = client.post("/v1/plans/standard/activate", headers=writer | {"If-Match": "W/x"})
    assert odd.status_code == 400
    once = writer | {"If-Match": '"2"', "Idempotency-Key": "a1"}
    first = client.post("/v1/plans/standard/activate", headers=once)
    assert (first.status_code, first.json()["active_version"]) == (200, 1)
    assert client.post("/v1/plans/standard/activate", headers=once).json() == first.json()
    # What was read before is not the draft that comes next.
    gone = client.get("/v1/plans/standard/draft", headers=reader)
    assert (gone.headers["etag"], gone.json()["content"]) == ('"3"', None)
    assert client.put("/v1/plans/standard/draft", json=CONTENT, headers=mine).status_code == 412


def test_bad_input_is_refused_with_its_path_and_changes_nothing(
    client: httpx.Client, writer: Headers
) -> None:
    wrong: list[tuple[dict[str, Any], int, str]] = [
        ({"slug": "x", "draft": CONTENT | {"currency": "XYZ"}}, 400, "currency: "),
        ({"slug": "X"}, 400, "slug: "),
        ({"slug": "x", "name": " "}, 400, "name: "),
        ({"slug": "x", "name": "a\x00"}, 400, "name: "),
        ({"slug": "x", "metadata": {"a": "\x00"}}, 400, "metadata: "),
        ({"slug": "x", "public": "yes"}, 400, "body.public: "),
        ({"slug": "x", "draft": {"currency": "USD"}}, 400, "rate_cards: "),
        (
            {"slug": "x", "draft": CONTENT | {"entitlements": [{"feature": "none"}]}},
            404,
            "entitlements[0].feature: ",
        ),
    ]
    for body, status, message in wrong:
        answer = client.post("/v1/plans", json=body, headers=writer)
        assert answer.status_code == status, answer.text
        assert answer.json()["error"]["message"].startswith(message)
    assert client.get("/v1/plans", headers=writer).json() == {"data": [], "next_cursor": None}
    for path, method in (
        ("", "PATCH"),
        ("/draft", "PUT"),
        ("/activate", "POST"),
        ("/archive", "POST"),
    ):
        for slug in ("none", "%00", "X%20Y"):
            url = f"/v1/plans/{slug}{path}"
            answer = client.request(
                method, url, json=CONTENT if path == "/draft" else {}, headers=writer
            )
            assert answer.status_code == 404, (url, answer.text)
    for url in ("/v1/plans/none", "/v1/plans/%00", "/v1/plans/none/versions/1"):
        assert client.get(url, headers=writer).status_code == 404
    assert client.get("/v1/public/nobody/plans").status_code == 404
    assert client.get("/v1/public/%00/plans").status_code == 404


def test_lists_have_pages_and_scopes_are_asked_for(
    client: httpx.Client, acme: Party, writer: Headers, reader: Headers
) -> None:
    for slug in ("a", "b", "c"):
        assert client.post("/v1/plans", json={"slug": slug}, headers=writer).status_code == 201
        feature = {"slug": f"f-{slug}", "kind": "boolean"}
        assert client.post("/v1/features", json=feature, headers=writer).status_code == 201
    for path, expected in (("plans", ["a", "b", "c"]), ("features", ["f-a", "f-b", "f-c", "sso"])):
        slugs: list[str] = []
        asked: dict[str, Any] = {"limit": 2}
        while True:
            page = client.get(f"/v1/{path}", params=asked, headers=reader).json()
            slugs += [each["slug"] for each in page["data"]]
            if page["next_cursor"] is None:
                break
            asked["cursor"] = page["next_cursor"]
        assert slugs == expected
        assert client.get(f"/v1/{path}?cursor=x", headers=reader).status_code == 400
        assert client.get(f"/v1/{path}", headers=acme.reader).status_code == 403
        body = {"slug": "d", "kind": "boolean"} if path == "features" else {"slug": "d"}
        assert client.post(f"/v1/{path}", json=body, headers=reader).status_code == 403


def test_a_feature_is_relabelled_and_archived(client: httpx.Client, writer: Headers) -> None:
    renamed = client.patch("/v1/features/sso", json={"name": "SSO"}, headers=writer).json()
    assert renamed["name"] == "SSO"
    gone = client.post("/v1/features/sso/archive", headers=writer).json()
    assert gone["archived_at"] is not None
    assert client.get("/v1/features/sso", headers=writer).json() == gone
    assert client.get("/v1/features?archived=false", headers=writer).json()["data"] == []
    refused = client.post("/v1/plans", json=PLAN, headers=writer)
    assert "is archived" in refused.json()["error"]["message"]
    usage = {"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"}
    answer = client.get("/v1/features/sso/usage", params=usage, headers=writer)
    assert (answer.status_code, "is boolean" in answer.text) == (422, True)


@pytest.mark.req("ING-05")
def test_a_metered_feature_shows_the_usage_of_its_meter(
    installation: Endpoints, tmp_path: Path
) -> None:
    party = add_party(installation.postgres, "acme")
    with Database(installation.postgres) as db:
        headers = key(db, party, *SCOPES)
    meter = {"slug": "calls", "event_type": "call", "aggregation": "count"}
    feature = {"slug": "calls", "kind": "metered", "meter": "calls"}
    asked = {"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"}
    with management(installation.postgres, tmp_path, installation.clickhouse) as opened:
        made = opened.post("/v1/meters", json=meter, headers=headers).json()
        assert opened.post("/v1/features", json=feature, headers=headers).status_code == 201
        write_calls(installation, party, made)
        found = opened.get("/v1/features/calls/usage", params=asked, headers=headers).json()
        assert [(row["subject"], row["quantity"]) for row in found["data"]] == [
            ("ada", "2"), ("bob", "1"),
        ]  # fmt: skip
        assert (found["meter"], found["cut"]) == ("calls", {"1/0": 5})
        some = asked | {"subject": "bob"}
        alone = opened.get("/v1/features/calls/usage", params=some, headers=headers).json()
        assert [row["subject"] for row in alone["data"]] == ["bob"]
        for wrong in (asked | {"end": asked["start"]}, {"start": "soon", "end": "later"}):
            answer = opened.get("/v1/features/calls/usage", params=wrong, headers=headers)
            assert answer.status_code == 400


def write_calls(installation: Endpoints, party: Party, meter: dict[str, Any]) -> None:
    """Five events as workers leave them: three in January, one later, one of another tenant."""
    definition = MeterDefinition.from_document(
        {"event_type": "call", "aggregation": "count"},
        meter_id=MeterId(parse_id("mtr", meter["id"])),
        tenant_id=party.tenant_id,
        slug="calls",
        name="calls",
        catalog_version=meter["catalog_version"],
    )
    mine, other = str(party.tenant_id), "00000000-0000-0000-0000-000000000001"
    told = [
        (mine, "ada", 1),
        (mine, "ada", 31),
        (mine, "bob", 7),
        (mine, "bob", 32),
        (other, "x", 1),
    ]
    events = [
        Stored(1, 0, n, 0, 1, n, tenant, "call", who, NEW_YEAR + timedelta(days=day - 1), "{}")
        for n, (tenant, who, day) in enumerate(told)
    ]
    log = Log({(1, 0): len(events)}, {1: 2}, events)
    write(installation.clickhouse, log, [definition], random.Random(1), holes=False)
