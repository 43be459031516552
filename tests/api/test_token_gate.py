"""The management API by token: who asks, for which tenant, and what they may see."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from core.clock import ManualClock
from core.ids import format_id
from db.postgres import Role
from identity.api_keys import SCOPES
from identity.tokens import TokenIssuer
from tests.api.management import Party, add_party, management
from tests.identity.signer import AUDIENCE, ISSUER, KEY_SET, NOW, STRANGER, token
from tests.plugins.logins import plain_login

METER = {"slug": "calls", "event_type": "t", "aggregation": "count"}


@contextmanager
def published(content: bytes) -> Iterator[str]:
    """The signer's keys, on a port of their own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/keys.json"
        server.shutdown()
        thread.join()


@pytest.fixture
def acme(database_url: str) -> Party:
    return add_party(database_url, "acme")


@contextmanager
def taking_tokens(database_url: str, folder: Path) -> Iterator[httpx.Client]:
    """The management API, which takes tokens of the signer at its `NOW`."""
    with (
        published(json.dumps(KEY_SET).encode()) as url,
        plain_login(database_url, Role.API, Role.SNAPSHOT) as login,
        management(
            login, folder, clock=ManualClock(NOW), tokens=TokenIssuer(ISSUER, AUDIENCE, url)
        ) as opened,
    ):
        yield opened


@pytest.fixture
def client(acme: Party, database_url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    assert acme
    with taking_tokens(database_url, tmp_path) as opened:
        yield opened


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


@pytest.mark.req("SEC-04", "SEC-05")
def test_keys_and_tokens_both_work_and_say_who_it_was(client: httpx.Client, acme: Party) -> None:
    assert client.post("/v1/meters", json=METER, headers=acme.writer).status_code == 201
    for tenant in ("acme", format_id("ten", acme.tenant_id)):
        found = client.get("/v1/meters/calls", headers=bearer(token(tenant=tenant)))
        assert found.json()["slug"] == "calls", found.text
    writer = bearer(token(scope="meters:write changes:read"))
    assert client.post("/v1/meters/calls/archive", headers=writer).status_code == 200
    last = client.get("/v1/changes", headers=writer).json()["data"][-1]
    assert (last["subject"], last["actor"]) == ("meter.archived", "user:ada")


@pytest.mark.req("SEC-04", "SEC-05")
def test_each_step_has_its_refusal(client: httpx.Client) -> None:
    refused = {
        "no header": ({}, 401),
        "no bearer": ({"Authorization": f"Basic {token()}"}, 401),
        "no token": (bearer("a.b.c"), 401),
        "a stranger's": (bearer(token(STRANGER)), 401),
        "expired": (bearer(token(exp=int(NOW.timestamp()) - 60)), 401),
        "an unknown tenant": (bearer(token(tenant="nobody")), 401),
        "an unknown id": (bearer(token(tenant="ten_" + "0" * 32)), 401),
        "no such scope": (bearer(token(scope="changes:read")), 403),
    }
    for what, (headers, status) in refused.items():
        answer = client.get("/v1/meters", headers=headers)
        assert answer.status_code == status, (what, answer.text)
        assert answer.json()["success"] is False


@pytest.mark.req("SEC-05")
def test_a_users_own_token_is_not_for_the_tenants_staff(client: httpx.Client) -> None:
    own = bearer(
        token(sub="00000000-0000-0000-0000-000000000007", scope=f"self {' '.join(SCOPES)}")
    )
    trial = {"meter": METER, "start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"}
    for answer in (
        client.get("/v1/meters", headers=own),
        client.post("/v1/meters", json=METER, headers=own),
        client.post("/v1/meters/dry-run", json=trial, headers=own),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "authorization_error")


@pytest.mark.parametrize("content", [b"[]", b"{", b'{"keys": 1}', b"x" * 300_000])
def test_keys_that_cannot_be_read_are_a_server_that_is_down(
    acme: Party, database_url: str, tmp_path: Path, content: bytes
) -> None:
    with (
        published(content) as url,
        management(
            database_url,
            tmp_path,
            clock=ManualClock(NOW),
            tokens=TokenIssuer(ISSUER, AUDIENCE, url),
        ) as opened,
    ):
        assert opened.get("/v1/meters", headers=bearer(token())).status_code == 503
        assert opened.get("/v1/meters", headers=acme.reader).status_code == 200
