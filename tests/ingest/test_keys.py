"""Who may send, and what a bad request is told: over HTTP."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from core.clock import SystemClock, monotonic_seconds
from db.postgres import Database
from identity.api_keys import find_api_key, revoke_api_key, rotate_api_key
from tests.ingest.service import Service, event
from tests.plugins.database import do


def _wait_for(service: Service, api_key: str, status: int) -> str:
    """The answer to a key once it has this status; it takes a refresh of the processes' keys."""
    deadline = monotonic_seconds() + 30
    with service.client(api_key) as client:
        while (answer := client.post("/v1/events", json=event("k"))).status_code != status:
            assert monotonic_seconds() < deadline, answer.text
            time.sleep(0.05)
    return answer.text


@pytest.mark.timed
@pytest.mark.req("SEC-04", "ERR-02")
def test_a_rotated_key_a_revoked_key_and_an_unknown_one(service: Service) -> None:
    clock = SystemClock()
    tenant_id, old = service.add_tenant("rotating")
    with Database(service.endpoints.postgres) as db:
        with db.transaction() as conn:
            old_id = find_api_key(conn, tenant_id, old).id
        _wait_for(service, old, 202)
        until = clock.now() + timedelta(seconds=4)
        new_id, new = do(db, rotate_api_key, clock, tenant_id, old_id, until)
        _wait_for(service, new, 202)
        while clock.now() < until - timedelta(seconds=1):
            _wait_for(service, old, 202)
            time.sleep(0.2)
        assert "was replaced, and has expired" in _wait_for(service, old, 401)
        assert clock.now() >= until
        _wait_for(service, new, 202)
        began = monotonic_seconds()
        do(db, revoke_api_key, clock, tenant_id, new_id)
        assert "is not known, or was revoked" in _wait_for(service, new, 401)
        assert monotonic_seconds() - began < 5 + 1, "a revoked key still worked"
    assert "authentication_error" in _wait_for(service, "tb_live_12345678_" + "0" * 48, 401)
    with service.client() as client:
        answer = client.post("/v1/events", json=event("k"), headers={"Authorization": ""})
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.req("SEC-10", "ERR-01")
@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b"{", "body"),
        (b"[]x", "body"),
        (b'{"specversion":"1.0","id":"1","source":"/a","type":"t"}', "subject"),
        (b'{"specversion":"1.0","id":"1","source":"/a","type":"t","subject":"s","time":1}', "time"),
    ],
)
def test_a_bad_request_is_400_and_names_the_field(
    service: Service, body: bytes, names: str
) -> None:
    with service.client() as client:
        headers = {"Content-Type": "application/json"}
        answer = client.post("/v1/events", content=body, headers=headers)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == "validation_error"
    assert names in error["message"]
