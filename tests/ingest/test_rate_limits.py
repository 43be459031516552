"""Rate limits as senders meet them: over HTTP, at several processes on one port."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from core import metric_names
from core.clock import SystemClock, monotonic_seconds
from core.ids import TenantId
from core.rate_limits import NO_LIMITS, Rate, RateLimits
from db.postgres import Database
from identity.api_keys import find_api_key, set_api_key_limits
from tests.ingest.neighbours import LIMIT, compare, limit_tenant
from tests.ingest.service import BATCH, Service, event
from tests.plugins.database import do
from tests.plugins.installations import Installer

_WAIT_SECONDS = 30
_BURST = 40
_PER_SECOND = 3
_EVENTS = RateLimits(events=Rate(_PER_SECOND, _BURST))
_BYTES = RateLimits(bytes=Rate(1, 2**20))


class _World:
    """Two processes on one port, and the keys of some tenants, limited before they start."""

    def __init__(self, service: Service) -> None:
        self.service, self.senders = service, list[_Sender]()
        names = ("free", "limited-key", "limited-events", "limited-bytes", "changed", "noisy")
        self.tenants = {name: service.add_tenant(name) for name in names}
        limit_tenant(service, self.tenants["limited-events"][0], _EVENTS)
        limit_tenant(service, self.tenants["limited-bytes"][0], _BYTES)
        limit_tenant(service, self.tenants["noisy"][0], LIMIT)
        limit_key(service, *self.tenants["limited-key"], _EVENTS)
        service.start("--workers", "2")
        warming = self.sender("free")
        for _ in range(20):  # a producer's first record waits for a broker that has just begun
            warming.send(1)

    def key(self, name: str) -> str:
        return self.tenants[name][1]

    def sender(self, name: str) -> _Sender:
        self.senders.append(_Sender(self.service.url, self.key(name)))
        return self.senders[-1]

    def close(self) -> None:
        for sender in self.senders:
            sender.close()


def limit_key(service: Service, tenant_id: TenantId, api_key: str, limits: RateLimits) -> None:
    with Database(service.endpoints.postgres) as db:
        with db.transaction() as conn:
            key = find_api_key(conn, tenant_id, api_key)
        do(db, set_api_key_limits, SystemClock(), tenant_id, key.id, limits)


@pytest.fixture(scope="module")
def world(installer: Installer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_World]:
    with installer.installation() as endpoints:
        service = Service(endpoints, tmp_path_factory.mktemp("limits"))
        try:
            made = _World(service)
            yield made
            made.close()
        finally:
            service.end()


class _Sender:
    """Sends with one key, each time on a connection of its own: the kernel shares them out."""

    def __init__(self, url: str, api_key: str) -> None:
        headers = {"Authorization": f"Bearer {api_key}", "Content-Type": BATCH}
        alone = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.Client(
            base_url=url, headers=headers, limits=alone, timeout=_WAIT_SECONDS
        )
        self.sent = 0

    def send(self, events: int) -> httpx.Response:
        self.sent += 1
        batch = [event(f"{self.sent}-{each}") for each in range(events)]
        return self._client.post("/v1/events", json=batch)

    def close(self) -> None:
        self._client.close()

    def until(self, status: int, events: int) -> httpx.Response:
        """Send until an answer has this status: limits take effect within seconds."""
        deadline = monotonic_seconds() + _WAIT_SECONDS
        while (answer := self.send(events)).status_code != status:
            assert monotonic_seconds() < deadline, answer.text
            time.sleep(0.1)
        return answer


def _refused(service: Service, reason: str) -> float:
    name = f'{metric_names.INGEST_REFUSED}_total{{reason="{reason}"}} '
    lines = httpx.get(f"{service.url}/metrics", timeout=_WAIT_SECONDS).text.splitlines()
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))


@pytest.mark.req("ING-19", "SEC-09")
@pytest.mark.parametrize("scope", ["key", "tenant"])
def test_the_call_after_the_last_is_429_at_all_processes_and_comes_through_when_told(
    world: _World, scope: str
) -> None:
    sender = world.sender("limited-key" if scope == "key" else "limited-events")
    world.service.forget_log()
    before, began = _refused(world.service, scope), monotonic_seconds()
    answers = [sender.send(1) for _ in range(_BURST + 20)]
    elapsed = monotonic_seconds() - began
    accepted = [answer for answer in answers if answer.status_code == 202]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(accepted) + len(refused) == len(answers)
    assert _BURST <= len(accepted) <= _BURST + _PER_SECOND * elapsed
    policy = f'"{scope}-events";q={_BURST};w=14;qu="events"'
    assert accepted[0].headers["RateLimit-Policy"] == policy
    assert accepted[0].headers["RateLimit"] == f'"{scope}-events";r={_BURST - 1};t=1'
    assert len(world.service.logged_ids()) == len(accepted)
    assert _refused(world.service, scope) - before == len(refused)

    last = sender.until(429, 5)
    error = last.json()["error"]
    assert error["code"] == "rate_limited"
    assert "may send 3 a second, 40 at once: send this again after" in error["message"]
    assert error["details"] == {
        "limit": f"{scope}-events",
        "per_second": _PER_SECOND,
        "burst": _BURST,
    }
    assert last.headers["RateLimit-Policy"] == policy
    assert world.sender("free").send(100).status_code == 202
    time.sleep(int(last.headers["Retry-After"]))
    assert sender.send(5).status_code == 202


@pytest.mark.req("SEC-09")
def test_bytes_have_a_limit_too(world: _World) -> None:
    sender = world.sender("limited-bytes")
    assert sender.send(2_000).status_code == 202
    refused = sender.until(429, 2_000)
    assert refused.json()["error"]["details"]["limit"] == "tenant-bytes"
    assert refused.headers["RateLimit-Policy"] == (
        '"tenant-bytes";q=1048576;w=1048576;qu="content-bytes"'
    )
    assert sender.send(10).status_code == 202


def test_limits_change_while_processes_run(world: _World) -> None:
    sender, tenant_id = world.sender("changed"), world.tenants["changed"][0]
    assert "RateLimit" not in sender.send(10).headers
    limit_tenant(world.service, tenant_id, RateLimits(events=Rate(1, 5)))
    sender.until(413, 10)
    limit_tenant(world.service, tenant_id, NO_LIMITS)
    sender.until(202, 10)


def test_a_tenant_at_its_limit_does_not_slow_another(world: _World) -> None:
    seen = compare(world.service.url, world.key("free"), world.key("noisy"), 20)
    assert seen.refused > 20, "nobody was at a limit"
    # What is promised is measured on a quiet machine: `python -m tests.ingest.neighbours`.
    found = seen.figures()
    assert found["beside_ms_p50"] <= found["alone_ms_p50"] * 1.5 + 20, found
    assert found["beside_ms_p90"] <= found["alone_ms_p90"] * 2 + 100, found
