"""Subscriptions over HTTP: created once, shown, listed, changed by commands."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest

from db.postgres import Database
from identity.api_keys import CHANGES_READ, SUBSCRIPTIONS_READ, SUBSCRIPTIONS_WRITE
from subscriptions.commands import COMMANDS
from subscriptions.commands.bodies import BODIES
from tests.api.routes.conftest import Headers, key
from tests.subscriptions.operating import Desk, open_desk
from tests.subscriptions.world import apply, plan

NEW = {"slug": "sub", "customer": "contoso", "plan": "standard"}


@pytest.fixture
def mirror(database: Database) -> Headers:
    """Another tenant with the same plans and customers."""
    other = open_desk(database, tenant={"slug": "mirror", "name": "Mirror"})
    return key(database, other.tenant_id, SUBSCRIPTIONS_READ, SUBSCRIPTIONS_WRITE, CHANGES_READ)


@pytest.mark.req("SUB-14")
def test_replaying_what_was_created_creates_nothing_twice(
    mirror: Headers, client: httpx.Client, writer: Headers
) -> None:
    """Who handles `subscription.created` may meet it again, from any cursor, several at a time."""
    for slug, payer, plan_name in (("one", "contoso", "standard"), ("two", "fabrikam", "pictures")):
        new = {"slug": slug, "customer": payer, "plan": plan_name}
        assert client.post("/v1/subscriptions", json=new, headers=writer).status_code == 201
    asked = "/v1/changes?subject=subscription.created"
    events = client.get(asked, headers=writer).json()["data"]
    assert [event["payload"]["slug"] for event in events] == ["one", "two"]

    def body(event: dict[str, Any]) -> dict[str, Any]:
        said = event["payload"]
        return {word: said[word] for word in ("slug", "customer", "plan", "start")}

    def handle(event: dict[str, Any]) -> httpx.Response:
        once = {"Idempotency-Key": event["id"]}
        return client.post("/v1/subscriptions", json=body(event), headers=mirror | once)

    with ThreadPoolExecutor(8) as pool:
        first = list(pool.map(handle, events * 4))
    assert {answer.status_code for answer in first} <= {201, 409}  # 409: one is under way
    replayed = [handle(event) for event in events * 2]
    assert {answer.status_code for answer in replayed} == {201}
    assert replayed[0].json() == replayed[2].json()
    listed = client.get("/v1/subscriptions", headers=mirror).json()["data"]
    assert [each["slug"] for each in listed] == ["one", "two"]
    told = client.get(asked, headers=mirror).json()["data"]
    assert sorted(event["resource_id"] for event in told) == sorted(each["id"] for each in listed)
    for event in events:  # also without a key: its name is taken
        again = client.post("/v1/subscriptions", json=body(event), headers=mirror)
        assert again.status_code == 409


@pytest.mark.req("SUB-16", "SUB-12")
def test_a_subscription_is_created_shown_listed_changed_and_canceled(
    client: httpx.Client, writer: Headers, reader: Headers, desk: Desk
) -> None:
    made = client.post("/v1/subscriptions", json=NEW | {"trial_days": 14}, headers=writer)
    assert made.status_code == 201, made.text
    shown = client.get("/v1/subscriptions/sub", headers=reader)
    assert shown.json() == made.json()
    assert (shown.json()["status"], shown.json()["context_state"]) == ("TRIALING", "trial")
    assert shown.json()["trial_ends_at"] == "2024-01-15T00:00:00+00:00"
    by_id = client.get(f"/v1/subscriptions/{made.json()['id']}", headers=reader)
    assert by_id.json() == made.json()
    listed = client.get("/v1/subscriptions?customer=contoso&status=TRIALING", headers=reader)
    assert [each["slug"] for each in listed.json()["data"]] == ["sub"]
    other = client.get("/v1/subscriptions?customer=fabrikam", headers=reader)
    assert other.json() == {"data": [], "next_cursor": None}

    desk.clock.advance(timedelta(days=20))
    changed = client.post(
        "/v1/subscriptions/sub/change",
        json={"plan": "dearer", "at": "period_end"},
        headers=writer | {"If-Match": shown.headers["ETag"]},
    )
    assert changed.status_code == 200, changed.text
    assert (changed.json()["status"], changed.json()["plan"]) == ("ACTIVE", "standard")
    assert [each["start"] for each in changed.json()["terms"]] == [
        "2024-01-01T00:00:00+00:00",
        "2024-01-15T00:00:00+00:00",
        "2024-02-01T00:00:00+00:00",
    ]
    canceled = client.post("/v1/subscriptions/sub/cancel", json={"at": "now"}, headers=writer)
    assert canceled.json()["status"] == "CANCELED"

    changes = client.get("/v1/subscriptions/sub/changes", headers=reader).json()["data"]
    assert [each["change"] for each in changes] == ["create", "activate", "change", "cancel"]
    assert changes[1]["effective_at"] == "2024-01-15T00:00:00+00:00", "when it was, not when seen"
    assert changes[2]["actor"].startswith("key_")
    first = client.get("/v1/subscriptions/sub/changes?limit=1", headers=reader).json()
    rest = client.get(
        f"/v1/subscriptions/sub/changes?cursor={first['next_cursor']}", headers=reader
    ).json()
    assert [*first["data"], *rest["data"]] == changes


def test_one_that_was_billed_elsewhere_begins_where_that_ended(
    client: httpx.Client, writer: Headers
) -> None:
    new = NEW | {"start": "2023-10-05T00:00:00Z", "billed_through": "2023-12-20T00:00:00Z"}
    refused = client.post("/v1/subscriptions", json=new, headers=writer)
    assert (refused.status_code, refused.json()["error"]["details"]) == (
        400,
        {"field": "billed_through"},
    )
    whole = new | {"billed_through": "2023-12-05T00:00:00Z"}
    made = client.post("/v1/subscriptions", json=whole, headers=writer).json()
    assert (made["billed_until"], made["period_start"], made["period_end"]) == (
        "2023-12-05T00:00:00+00:00",
        "2023-12-05T00:00:00+00:00",
        "2024-01-05T00:00:00+00:00",
    )
    cut = new | {"slug": "cut", "customer": "fabrikam", "cut_period": True}
    found = client.post("/v1/subscriptions", json=cut, headers=writer).json()
    assert (found["period_start"], found["period_end"]) == (
        "2023-12-20T00:00:00+00:00",
        "2024-01-05T00:00:00+00:00",
    )


@pytest.mark.req("SUB-24")
def test_a_subscription_derives_lines_and_entitlements_from_what_it_buys(
    client: httpx.Client, writer: Headers, reader: Headers, database: Database, desk: Desk
) -> None:
    apply(
        database,
        {
            "tenant": {"slug": "acme", "name": "Acme"},
            "features": [{"slug": "sso", "name": "SSO", "kind": "boolean"}],
            "plans": [
                plan("with-sso") | {"entitlements": [{"feature": "sso"}]},
                {
                    "slug": "disks",
                    "kind": "addon",
                    "name": "Disks",
                    "currency": "USD",
                    "rate_cards": [
                        {
                            "key": "disks",
                            "name": "Disks",
                            "quantity": "10",
                            "price": {"model": "per_unit", "amount": "0.50"},
                        }
                    ],
                },
            ],
        },
    )
    client.post("/v1/subscriptions", json=NEW | {"plan": "with-sso"}, headers=writer)
    body = {"addons": {"disks": "3"}}
    assert client.post("/v1/subscriptions/sub/change", json=body, headers=writer).status_code == 200
    found = client.get("/v1/subscriptions/sub/bought", headers=reader).json()
    assert (found["served"], found["plan"]["plan"]) == (True, "with-sso")
    assert [each["key"] for each in found["plan"]["rate_cards"]] == ["platform", "tokens"]
    assert [each["feature"] for each in found["plan"]["entitlements"]] == ["sso"]
    [addon] = found["addons"]
    assert (addon["plan"], addon["quantity"]) == ("disks", "3")
    assert [each["quantity"] for each in addon["rate_cards"]] == ["30"]
    client.post("/v1/subscriptions/sub/pause", json={"billing": False}, headers=writer)
    assert client.get("/v1/subscriptions/sub/bought", headers=reader).json()["served"] is False
    client.post("/v1/subscriptions/sub/cancel", json={"at": "now"}, headers=writer)
    over = client.get("/v1/subscriptions/sub/bought", headers=reader).json()
    assert (over["served"], over["plan"], over["addons"]) == (False, None, [])
    assert desk.find().standing.status == "CANCELED"


BAD: list[tuple[dict[str, Any], int, str]] = [
    ({"customer": "contoso", "plan": "standard"}, 400, "slug"),
    ({"slug": "sub", "plan": "standard"}, 400, "customer"),
    ({"slug": "sub", "customer": "contoso"}, 400, "plan"),
    (NEW | {"slug": "no slug"}, 400, "slug"),
    (NEW | {"customer": "nobody"}, 404, "customer"),
    (NEW | {"plan": "nothing"}, 404, "plan"),
    (NEW | {"version": 9}, 404, "plan"),
    (NEW | {"billing_cycle": "yearlyish"}, 400, "billing_cycle"),
    (NEW | {"start": "2024-01-01T00:00:00"}, 400, "start"),
    (NEW | {"trial_days": 0}, 400, "trial_days"),
    (NEW | {"trial_days": 731}, 400, "trial_days"),
    (NEW | {"trial_days": 5, "trial_ends_at": "2024-01-09T00:00:00Z"}, 400, "trial_days"),
    (NEW | {"trial_ends_at": "2024-01-01T00:00:00Z"}, 400, "trial_ends_at"),
    (NEW | {"trial_converts": False}, 400, "trial_ends_at"),
    (NEW | {"anchor": "trial_end"}, 400, "anchor"),
    (NEW | {"activation": "payment", "trial_days": 5}, 400, "activation"),
    (NEW | {"expires_at": "2023-01-01T00:00:00Z"}, 400, "expires_at"),
    (NEW | {"subjects": []}, 400, "subjects"),
    (NEW | {"subjects": ["a", "a"]}, 400, "subjects"),
    (NEW | {"quantities": {"seats": "-1"}}, 400, "quantities.seats"),
    (NEW | {"quantities": {"seats": "0.1234567890123"}}, 400, "quantities.seats"),
    (NEW | {"currency": "XXQ"}, 400, "currency"),
    (NEW | {"currency": "JPY"}, 422, "plan"),
    (NEW | {"surprise": 1}, 400, "surprise"),
]


@pytest.mark.parametrize(("body", "status", "field"), BAD)
def test_what_is_wrong_with_a_new_one_is_named(
    client: httpx.Client, writer: Headers, body: dict[str, Any], status: int, field: str
) -> None:
    found = client.post("/v1/subscriptions", json=body, headers=writer)
    assert found.status_code == status, found.text
    error = found.json()["error"]
    assert field in f"{error['message']} {error['details']}", error
    assert client.get("/v1/subscriptions", headers=writer).json()["data"] == []


@pytest.mark.req("ERR-03", "ERR-04", "ERR-05")
def test_errors_have_their_status_and_their_code(
    client: httpx.Client, writer: Headers, reader: Headers
) -> None:
    missing = client.get("/v1/subscriptions/nothing", headers=reader)
    assert missing.status_code == 404
    assert missing.json() == {
        "success": False,
        "error": {
            "code": "subscription_not_found",
            "message": "subscription: there is none called 'nothing'",
            "details": {"subscription": "nothing"},
        },
    }
    assert client.get("/v1/subscriptions/NO%20SLUG", headers=reader).status_code == 404
    client.post("/v1/subscriptions", json=NEW, headers=writer)
    again = client.post("/v1/subscriptions", json=NEW, headers=writer)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
    wrong = client.post("/v1/subscriptions/sub/reactivate", json={}, headers=writer)
    assert wrong.status_code == 422
    assert wrong.json()["error"]["code"] == "invalid_state_transition"
    assert wrong.json()["error"]["details"] == {"status": "ACTIVE", "event": "reactivate"}
    denied = client.post("/v1/subscriptions/sub/cancel", json={}, headers=reader)
    assert denied.status_code == 403


@pytest.mark.parametrize("name", BODIES)
def test_every_command_has_a_route_that_refuses_what_it_does_not_know(
    client: httpx.Client, writer: Headers, name: str
) -> None:
    client.post("/v1/subscriptions", json=NEW, headers=writer)
    path = f"/v1/subscriptions/sub/{name.replace('_', '-')}"
    found = client.post(path, json={"surprise": 1}, headers=writer)
    assert (found.status_code, "surprise" in found.text) == (400, True), found.text
    assert set(BODIES) == set(COMMANDS)


def test_a_command_is_done_once_per_key_and_only_to_what_was_read(
    client: httpx.Client, writer: Headers
) -> None:
    made = client.post("/v1/subscriptions", json=NEW, headers=writer).json()
    once = writer | {"Idempotency-Key": "pause-1"}
    first = client.post("/v1/subscriptions/sub/pause", json={}, headers=once)
    again = client.post("/v1/subscriptions/sub/pause", json={}, headers=once)
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert first.json()["revision"] == made["revision"] + 1
    other = client.post("/v1/subscriptions/sub/pause", json={"billing": False}, headers=once)
    assert other.status_code == 422
    late = writer | {"If-Match": f'"{made["revision"]}"'}
    refused = client.post("/v1/subscriptions/sub/resume", json={}, headers=late)
    assert refused.status_code == 412, refused.text


def test_an_instant_may_lie_in_the_past_and_not_in_the_future(
    client: httpx.Client, writer: Headers, desk: Desk
) -> None:
    desk.clock.advance(timedelta(days=10))
    started = {"start": "2024-01-02T00:00:00Z"}
    client.post("/v1/subscriptions", json=NEW | started, headers=writer)
    for as_of, status in (
        ("2024-01-01T12:00:00Z", 422),
        ("2024-02-01T00:00:00Z", 400),
        ("2024-01-05T00:00:00Z", 200),
        ("2024-01-04T00:00:00Z", 422),
    ):
        body = {"as_of": as_of, "service": False}
        found = client.post("/v1/subscriptions/sub/pause", json=body, headers=writer)
        assert found.status_code == status, found.text
        if status != 200:
            assert "as_of" in found.json()["error"]["message"]


def test_fifty_commands_at_a_time_come_one_after_the_other(
    client: httpx.Client, writer: Headers, desk: Desk
) -> None:
    client.post("/v1/subscriptions", json=NEW, headers=writer)
    client.post(
        "/v1/subscriptions", json=NEW | {"slug": "other", "plan": "pictures"}, headers=writer
    )

    def work(number: int) -> int:
        name = ("sub", "other")[number % 2]
        command = ("pause", "resume", "cancel", "uncancel", "payment")[number % 5]
        body = {"succeeded": number % 3 == 0} if command == "payment" else {}
        path = f"/v1/subscriptions/{name}/{command}"
        return client.post(path, json=body, headers=writer, timeout=60).status_code

    with ThreadPoolExecutor(25) as pool:
        found = list(pool.map(work, range(100)))
    assert set(found) <= {200, 422}, "refused by its state, never by a lock"
    for name in ("sub", "other"):
        changes = client.get(f"/v1/subscriptions/{name}/changes?limit=200", headers=writer).json()
        revisions = [each["revision"] for each in changes["data"]]
        assert revisions == list(range(1, len(revisions) + 1))
        assert found.count(200) > 0
    assert desk.find().revision == len(
        client.get("/v1/subscriptions/sub/changes?limit=200", headers=writer).json()["data"]
    )
