"""Customers over HTTP: created, changed by who read them, linked, deleted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.clock import ManualClock, SystemClock
from db.postgres import Database
from identity.api_keys import CUSTOMERS_READ, CUSTOMERS_WRITE, insert_api_key
from tests.api.management import Party, add_party, management
from tests.plugins.database import do

NOW = datetime(2026, 3, 1, tzinfo=UTC)
INFO = {
    "email": "billing@contoso.example",
    "postal_address": {"line1": "Allee 1", "postal_code": "10115", "city": "Berlin",
                       "country": "DE"},
    "tax_ids": [{"type": "eu_vat", "value": "DE123456789"}],
}  # fmt: skip
CONTOSO = {"slug": "contoso", "name": "Contoso", "currency": "EUR", "billing_info": INFO}
UNKNOWN = "cus_" + "0" * 32
USER = "00000000-0000-0000-0000-00000000000a"
Headers = dict[str, str]


@pytest.fixture
def acme(database_url: str) -> Party:
    return add_party(database_url, "acme")


def key(database: Database, acme: Party, *scopes: str) -> Headers:
    text = do(database, insert_api_key, SystemClock(), acme.tenant_id, "k", scopes)
    return {"Authorization": f"Bearer {text}"}


@pytest.fixture
def reader(database: Database, acme: Party) -> Headers:
    return key(database, acme, CUSTOMERS_READ)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def client(
    database: Database, acme: Party, reader: Headers, clock: ManualClock, database_url: str,
    tmp_path: Path,
) -> Iterator[httpx.Client]:  # fmt: skip
    """As a key that may read and write customers."""
    assert reader
    writer = key(database, acme, CUSTOMERS_READ, CUSTOMERS_WRITE)
    with management(database_url, tmp_path, clock=clock) as opened:
        opened.headers.update(writer)
        yield opened


def make(client: httpx.Client, slug: str, **facts: Any) -> dict[str, Any]:
    made = client.post("/v1/customers", json={"slug": slug, "currency": "EUR"} | facts)
    assert made.status_code == 201, made.text
    resource: dict[str, Any] = made.json()
    return resource


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, code and message of an answer that is not 2xx."""
    body = answer.json()
    assert (body["success"], set(body)) == (False, {"success", "error"})
    assert set(body["error"]) == {"code", "message", "details"}
    return answer.status_code, body["error"]["code"], body["error"]["message"]


@pytest.mark.req("ENT-05")
def test_a_customer_is_created_shown_changed_and_deleted(
    client: httpx.Client, clock: ManualClock, reader: Headers
) -> None:
    once = {"Idempotency-Key": "c1"}
    made = client.post("/v1/customers", json=CONTOSO, headers=once)
    assert made.status_code == 201, made.text
    assert client.post("/v1/customers", json=CONTOSO, headers=once).json() == made.json()
    assert client.post("/v1/customers", json=CONTOSO).status_code == 409
    shown = client.get("/v1/customers/contoso", headers=reader)
    assert (shown.json(), shown.headers["etag"]) == (made.json(), '"1"')
    assert client.get(f"/v1/customers/{made.json()['id']}").json() == made.json()
    assert made.json() == {
        "id": made.json()["id"], "slug": "contoso", "name": "Contoso", "time_zone": "UTC",
        "currency": "EUR", "billing_info": INFO, "parent": None, "payer": "self",
        "invoices": "together", "user_id": None, "metadata": {}, "revision": 1, "deleted_at": None,
    }  # fmt: skip

    clock.advance(timedelta(days=1))
    mine = {"If-Match": shown.headers["etag"]}
    renamed = client.patch("/v1/customers/contoso", json={"name": "Contoso AG"}, headers=mine)
    assert (renamed.status_code, renamed.headers["etag"]) == (200, '"2"')
    assert renamed.json()["billing_info"] == INFO
    for late in (
        client.patch("/v1/customers/contoso", json={"name": "X"}, headers=mine),
        client.delete("/v1/customers/contoso", headers=mine),
    ):
        assert refusal(late)[:2] == (412, "precondition_failed")
    odd = client.delete("/v1/customers/contoso", headers={"If-Match": "W/x"})
    assert refusal(odd)[:2] == (400, "validation_error")
    before = client.get("/v1/customers/contoso", params={"known_at": NOW.isoformat()})
    assert (before.json()["name"], before.json()["revision"]) == ("Contoso", 1)
    never = client.get("/v1/customers/contoso", params={"known_at": "2020-01-01T00:00:00Z"})
    assert refusal(never)[:2] == (404, "customer_not_found")
    for far, status in (("0001-01-01T00:00:00+14:00", 404), ("9999-12-31T23:59:59-14:00", 200)):
        answer = client.get("/v1/customers/contoso", params={"known_at": far})
        assert answer.status_code == status, answer.text

    gone = client.delete("/v1/customers/contoso", headers={"If-Match": '"2"'})
    assert (gone.status_code, gone.json()["billing_info"]) == (200, {}), gone.text
    by_id = f"/v1/customers/{made.json()['id']}"
    assert client.get(by_id).json() == gone.json() == client.delete(by_id).json()
    assert refusal(client.patch(by_id, json={"name": "X"}))[:2] == (409, "conflict")
    assert refusal(client.get("/v1/customers/contoso"))[:2] == (404, "customer_not_found")
    assert make(client, "contoso")["id"] != made.json()["id"]


@pytest.mark.req("ERR-04")
def test_an_unknown_customer_is_404_on_every_route(client: httpx.Client) -> None:
    method = f"/payment-methods/pym_{'0' * 32}"
    for name in ("nobody", UNKNOWN, "%00", "X%20Y"):
        for verb, path, body in (
            ("GET", "", None),
            ("PATCH", "", {"name": "x"}),
            ("DELETE", "", None),
            ("GET", "/subjects", None),
            ("POST", "/subjects", {"subject": "s"}),
            ("POST", "/subjects/s/end", {}),
            ("GET", "/payment-methods", None),
            ("POST", "/payment-methods", {"provider": "stripe", "reference": "pm_1"}),
            ("POST", f"{method}/default", None),
            ("DELETE", method, None),
        ):
            answer = client.request(verb, f"/v1/customers/{name}{path}", json=body)
            status, code, message = refusal(answer)
            assert (status, code) == (404, "customer_not_found"), (verb, path, answer.text)
            assert message.startswith("customer: there is none called")
    assert refusal(client.get("/v1/customers?parent=nobody"))[1] == "customer_not_found"


def test_bad_input_is_refused_with_its_path_and_changes_nothing(client: httpx.Client) -> None:
    wrong: list[tuple[dict[str, Any], int, str]] = [
        ({"slug": "x"}, 400, "body.currency: "),
        ({"slug": "x", "currency": "EURO"}, 400, "currency: "),
        ({"slug": "X", "currency": "EUR"}, 400, "slug: "),
        ({"slug": "x", "currency": "EUR", "name": "a\x00"}, 400, "name: "),
        ({"slug": "x", "currency": "EUR", "time_zone": "Berlin"}, 400, "time_zone: "),
        ({"slug": "x", "currency": "EUR", "payer": "uncle"}, 400, "body.payer: "),
        ({"slug": "x", "currency": "EUR", "payer": "parent"}, 400, "payer: "),
        ({"slug": "x", "currency": "EUR", "parent": "nobody"}, 404, "parent: "),
        ({"slug": "x", "currency": "EUR", "user_id": "me"}, 400, "user_id: "),
        ({"slug": "x", "currency": "EUR", "metadata": {"a": "x" * 501}}, 400, "metadata: "),
        ({"slug": "x", "currency": "EUR", "colour": "red"}, 400, "body.colour: "),
        (
            {"slug": "x", "currency": "EUR", "billing_info": {"postal_address": {"country": "X"}}},
            400,
            "body.billing_info.postal_address.country: ",
        ),
    ]
    for body, status, message in wrong:
        answer = client.post("/v1/customers", json=body)
        found = refusal(answer)
        assert (found[0], found[2].startswith(message)) == (status, True), answer.text
    assert client.get("/v1/customers").json() == {"data": [], "next_cursor": None}
    assert client.get("/v1/changes").status_code == 403


def test_lists_have_pages_filters_and_scopes(
    client: httpx.Client, acme: Party, reader: Headers, clock: ManualClock
) -> None:
    make(client, "group")
    for slug in ("a", "b", "c"):
        clock.advance(timedelta(seconds=1))
        make(client, slug, parent="group", payer="parent", user_id=USER)
    client.post("/v1/customers/b/subjects", json={"subject": "chat"})
    client.delete("/v1/customers/c")

    def slugs(**asked: Any) -> list[str]:
        found: list[str] = []
        while True:
            page = client.get("/v1/customers", params={"limit": 2} | asked, headers=reader).json()
            assert len(page["data"]) <= 2
            found += [each["slug"] for each in page["data"]]
            if page["next_cursor"] is None:
                return found
            asked["cursor"] = page["next_cursor"]

    assert slugs() == ["group", "a", "b"]
    assert slugs(deleted=True) == ["c"]
    assert slugs(parent="group") == ["a", "b"]
    assert slugs(user_id=USER) == ["a", "b"]
    assert slugs(subject="chat") == ["b"]
    assert slugs(subject="none") == slugs(subject="chat", parent="a") == []
    for query in ("cursor=x", "limit=0", "limit=201", "user_id=me", "deleted=maybe", "subject=%00"):
        assert refusal(client.get(f"/v1/customers?{query}"))[0] == 400
    assert client.get("/v1/customers", headers=acme.reader).status_code == 403
    body = {"slug": "d", "currency": "EUR"}
    assert client.post("/v1/customers", json=body, headers=reader).status_code == 403
    blocked = client.delete("/v1/customers/group")
    assert refusal(blocked)[0] == 409
    assert "'a', 'b'" in blocked.text


def test_a_subject_is_linked_moved_and_ended(client: httpx.Client, clock: ManualClock) -> None:
    for slug in ("contoso", "fabrikam"):
        make(client, slug)
    subject = "org/team 7"
    links, theirs = "/v1/customers/contoso/subjects", "/v1/customers/fabrikam/subjects"
    once = {"Idempotency-Key": "l1"}
    made = client.post(links, json={"subject": subject}, headers=once)
    assert (made.status_code, made.json()["valid_to"]) == (201, None), made.text
    assert made.json()["valid_from"] == "1970-01-01T00:00:00+00:00"
    assert client.post(links, json={"subject": subject}, headers=once).json() == made.json()
    status, code, message = refusal(client.post(theirs, json={"subject": subject}))
    assert (status, code) == (409, "conflict")
    assert "'contoso'" in message
    assert "'fabrikam'" in message

    clock.advance(timedelta(days=1))
    moved = client.post(theirs, json={"subject": subject, "move": True})
    assert (moved.status_code, moved.json()["valid_from"]) == (201, clock.now().isoformat())
    [before] = client.get(links).json()["data"]
    assert before["valid_to"] == moved.json()["valid_from"]
    known = client.get(links, params={"known_at": NOW.isoformat()}).json()["data"]
    assert [each["valid_to"] for each in known] == [None]

    at = (clock.now() + timedelta(hours=1)).isoformat()
    ended = client.post(f"{theirs}/org%2Fteam%207/end", json={"at": at})
    assert (ended.status_code, ended.json()["valid_to"]) == (200, at), ended.text
    again = client.post(f"{theirs}/org%2Fteam%207/end", json={"at": at})
    assert refusal(again)[:2] == (404, "not_found")
    for body, field in (
        ({"subject": ""}, "subject: "),
        ({"subject": "s", "from": "2026-01-01T00:00:00"}, "body.from: "),
        ({"subject": "s", "from": "0001-01-01T00:00:00+14:00"}, "from: "),
        ({"subject": "s", "to": "9999-12-31T23:59:59-14:00"}, "to: "),
        ({"subject": "s", "from": at, "to": at}, "to: "),
        ({"subject": "s", "move": "yes"}, "body.move: "),
        ({"subject": 7}, "body.subject: "),
    ):
        status, _, message = refusal(client.post(links, json=body))
        assert (status, message.startswith(field)) == (400, True), message


def test_payment_methods_are_added_preferred_and_removed(
    client: httpx.Client, clock: ManualClock
) -> None:
    make(client, "contoso")
    methods = "/v1/customers/contoso/payment-methods"
    first = client.post(methods, json={"provider": "stripe", "reference": "pm_1"})
    clock.advance(timedelta(seconds=1))
    assert (first.status_code, first.json()["default"]) == (201, True), first.text
    second = client.post(methods, json={"provider": "stripe", "reference": "pm_2"}).json()
    preferred = client.post(f"{methods}/{second['id']}/default").json()
    assert preferred == second | {"default": True}
    listed = client.get(methods).json()["data"]
    assert [each["default"] for each in listed] == [False, True]
    assert client.delete(f"{methods}/{second['id']}").json()["reference"] == "pm_2"
    assert refusal(client.delete(f"{methods}/{second['id']}"))[:2] == (404, "not_found")
    assert refusal(client.delete(f"{methods}/pm_1"))[2].startswith("payment_method: ")
    bad = client.post(methods, json={"provider": "Stripe!", "reference": "x"})
    assert refusal(bad)[2].startswith("provider: ")
