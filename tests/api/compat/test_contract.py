"""What holds for every peer's routes: statuses, bodies in the peer's form, all events or none."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from api.compat.schemas import ERRORS
from core.errors import DependencyDownError, RateLimitError
from ingest.settings import BODY_BYTES_MAX
from tests.api.compat.app import KEY, READER, TENANT, Routes
from tests.api.compat.conforming import faults

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
CLOUD = {"specversion": "1.0", "id": "1", "source": "/a", "type": "t", "subject": "s", "data": {}}
LAGO = {"transaction_id": "1", "external_subscription_id": "s", "code": "t", "properties": {}}
STRIPE = {"identifier": "1", "event_name": "t", "payload": {"stripe_customer_id": "s"}}
FLEX = {"event_id": "1", "external_customer_id": "s", "event_name": "t", "properties": {}}


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def api_key(key: str) -> dict[str, str]:
    return {"x-api-key": key}


@dataclass(frozen=True)
class Peer:
    """A route that takes events: one good body, and one of whose events one lacks its type."""

    name: str
    path: str
    good: bytes
    bad: bytes
    missing: str
    done: int
    credentials: Callable[[str], dict[str, str]] = bearer
    content_type: str = JSON
    refused: int = 400
    statuses: dict[int, int] = field(default_factory=dict)
    unread: bytes = b"{"

    @property
    def prefix(self) -> str:
        return f"/compat/{self.name}"


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _without(event: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key != name} | {
        key: "2" for key in ("id", "transaction_id", "identifier", "event_id") if key in event
    }


OPENMETER = Peer(
    "openmeter", "/api/v1/events", _json(CLOUD), _json([CLOUD, _without(CLOUD, "type")]),
    "type: required", 204, statuses={415: 400},
)  # fmt: skip
LAGO_ONE = Peer(
    "lago", "/api/v1/events", _json({"event": LAGO}), _json({"event": _without(LAGO, "code")}),
    '{"code":["value_is_mandatory"]}', 200, refused=422,
)  # fmt: skip
LAGO_BATCH = Peer(
    "lago", "/api/v1/events/batch", _json({"events": [LAGO]}),
    _json({"events": [LAGO, _without(LAGO, "code")]}),
    '{"1":{"code":["value_is_mandatory"]}}', 200, refused=422,
)  # fmt: skip
STRIPE_V1 = Peer(
    "stripe", "/v1/billing/meter_events",
    urlencode({"event_name": "t", "identifier": "1", "payload[stripe_customer_id]": "s"}).encode(),
    urlencode({"identifier": "2", "payload[stripe_customer_id]": "s"}).encode(),
    '"param":"event_name"', 200, content_type=FORM, unread=b"\xff",
)  # fmt: skip
STRIPE_V2 = Peer(
    "stripe", "/v2/billing/meter_events", _json(STRIPE), _json(_without(STRIPE, "event_name")),
    '"param":"event_name"', 200,
)  # fmt: skip
FLEX_ONE = Peer(
    "flexprice", "/v1/events", _json(FLEX), _json(_without(FLEX, "event_name")),
    "event_name: required", 202, credentials=api_key,
)  # fmt: skip
FLEX_BULK = Peer(
    "flexprice", "/v1/events/bulk", _json({"events": [FLEX]}),
    _json({"events": [FLEX, _without(FLEX, "event_name")]}),
    "events[1].event_name: required", 202, credentials=api_key,
)  # fmt: skip
PEERS = (OPENMETER, LAGO_ONE, LAGO_BATCH, STRIPE_V1, STRIPE_V2, FLEX_ONE, FLEX_BULK)

each_peer = pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name + peer.path)


def post(routes: Routes, peer: Peer, body: bytes, **changes: Any) -> httpx.Response:
    headers = {"content-type": peer.content_type} | peer.credentials(KEY)
    headers |= changes.pop("headers", {})
    path = changes.pop("path", peer.path)
    return routes.ask("POST", peer.prefix + path, content=body, headers=headers)


def check_failure(routes: Routes, peer: Peer, answer: httpx.Response, status: int) -> None:
    """In the peer's form, as the document says."""
    expected = peer.statuses.get(status, status)
    assert answer.status_code == expected, answer.text
    problem = "application/problem+json" if peer.name == "openmeter" else JSON
    assert answer.headers["content-type"] == problem
    assert list(faults(answer.json(), ERRORS[peer.name])) == []
    documented = routes.app.openapi()["paths"].get(answer.request.url.path, {}).get("post")
    if documented is not None and status not in {405, 429}:  # no such method; no limits yet
        assert str(expected) in documented["responses"]


@each_peer
def test_a_good_event_is_in_the_log_before_the_answer(peer: Peer) -> None:
    routes = Routes()
    answer = post(routes, peer, peer.good)
    assert answer.status_code == peer.done, answer.text
    [event] = routes.log.events
    assert (event["tenant_id"], event["id"], event["type"], event["subject"]) == (
        str(TENANT), "1", "t", "s",
    )  # fmt: skip
    source = "/a" if peer is OPENMETER else peer.prefix
    assert event["source"] == source
    again = post(routes, peer, peer.good)
    assert again.status_code == peer.done
    first, second = routes.log.events
    assert first["key"] == second["key"]
    assert first["content_hash"] == second["content_hash"]
    operation = routes.app.openapi()["paths"][peer.prefix + peer.path]["post"]
    content = operation["responses"][str(peer.done)].get("content", {})
    if content:
        assert list(faults(answer.json(), content[JSON]["schema"])) == []
    else:
        assert answer.content == b""
    assert peer.content_type in operation["requestBody"]["content"]


@each_peer
def test_one_bad_event_keeps_all_out_and_is_named(peer: Peer) -> None:
    routes = Routes()
    answer = post(routes, peer, peer.bad)
    check_failure(routes, peer, answer, peer.refused)
    assert peer.missing in answer.text
    assert routes.log.events == []


@each_peer
def test_who_may_not_send_is_told_so_in_the_peers_words(peer: Peer) -> None:
    routes = Routes()
    for name in ("authorization", "x-api-key"):
        nobody = routes.ask(
            "POST",
            peer.prefix + peer.path,
            content=peer.good,
            headers={"content-type": peer.content_type, name: ""},
        )
        check_failure(routes, peer, nobody, 401)
    stranger = post(routes, peer, peer.good, headers=peer.credentials("tb_live_unknown"))
    check_failure(routes, peer, stranger, 401)
    assert stranger.headers["www-authenticate"] == "Bearer"
    reader = post(routes, peer, peer.good, headers=peer.credentials(READER))
    check_failure(routes, peer, reader, 403)
    assert routes.log.events == []


@each_peer
def test_what_cannot_be_read_is_refused_in_the_peers_words(peer: Peer) -> None:
    routes = Routes()
    check_failure(routes, peer, post(routes, peer, peer.unread), 400)
    check_failure(
        routes, peer, post(routes, peer, b"", headers={"content-type": "text/plain"}), 415
    )
    packed = {"content-encoding": "br"}
    check_failure(routes, peer, post(routes, peer, peer.good, headers=packed), 415)
    check_failure(routes, peer, post(routes, peer, b" " * (BODY_BYTES_MAX + 1)), 413)
    check_failure(routes, peer, post(routes, peer, peer.good, path="/v1/nothing"), 404)
    wrong = routes.ask("DELETE", peer.prefix + peer.path, headers=peer.credentials(KEY))
    check_failure(routes, peer, wrong, 405)
    assert routes.log.events == []


@each_peer
def test_a_broken_server_says_so_in_the_peers_words(peer: Peer) -> None:
    routes = Routes()
    routes.log.failure = DependencyDownError("Kafka does not answer", retry_after_seconds=5)
    down = post(routes, peer, peer.good)
    check_failure(routes, peer, down, 503)
    assert down.headers["retry-after"] == "5"
    routes.log.failure = RateLimitError("too fast", retry_after_seconds=7)
    fast = post(routes, peer, peer.good)
    check_failure(routes, peer, fast, 429)
    assert fast.headers["retry-after"] == "7"
    assert fast.headers.get("x-ratelimit-reset") == ("7" if peer.name == "lago" else None)
    routes.log.failure = RuntimeError("secret")
    broken = post(routes, peer, peer.good)
    check_failure(routes, peer, broken, 500)
    assert "secret" not in broken.text


def test_outside_of_the_peers_prefixes_errors_are_our_own() -> None:
    for path in ("/compat/lagoon", "/v1/events"):
        answer = Routes().ask("GET", path)
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "not_found"
