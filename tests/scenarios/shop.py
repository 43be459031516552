"""A shop in a world: features with limits are sold, used and checked over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx

from core.clock import SystemClock, monotonic_seconds
from db.postgres import Database
from identity.api_keys import SCOPES, insert_api_key
from infra.local.child import Child
from tests.scenarios.world import World

Json = dict[str, Any]


class Shop:
    """The management API of a world, and a customer `contoso` whose subject is `chat`."""

    def __init__(self, world: World) -> None:
        self.world = world
        with Database(world.endpoints.postgres) as db, db.transaction() as conn:
            key = insert_api_key(conn, SystemClock(), world.tenant_id, "shop", tuple(SCOPES))
        self.headers = {"Authorization": f"Bearer {key}"}
        self.url = ""
        self.number = 0
        self.api = self.start("api")

    def start(self, name: str) -> Child:
        """Start a process of the management API, and talk to that one."""
        process = self.world.process(name, "serve", "api", "--port", "0")
        self.url = process.wait_for(r"listening on (http://\S+)")[1]
        return process

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return httpx.request(
            method, self.url + path, json=body, headers=self.headers | headers, timeout=60
        )

    def do(self, path: str, body: Any, **headers: str) -> Json:
        """A POST that succeeds."""
        answer = self.ask("POST", path, body, **headers)
        assert answer.status_code in {200, 201}, (path, answer.text)
        found: Json = answer.json()
        return found

    def open(self, entitlement: Json, feature: str = "calls", meter: str = "requests") -> None:
        """Sell a feature to contoso, since three days ago."""
        self.do("/v1/features", {"slug": feature, "kind": "metered", "meter": meter})
        self.sell("standard", [{"feature": feature} | entitlement])
        self.do("/v1/customers", {"slug": "contoso", "currency": "USD"})
        self.do("/v1/customers/contoso/subjects", {"subject": "chat"})
        start = (SystemClock().now() - timedelta(days=3)).isoformat()
        wanted = {"slug": "main", "customer": "contoso", "plan": "standard", "start": start}
        self.do("/v1/subscriptions", wanted)

    def sell(self, slug: str, entitlements: list[Json], kind: str = "plan") -> None:
        """Sell a plan, or an add-on, that gives something."""
        card: Json = {"key": slug, "name": slug, "price": {"model": "flat", "amount": "1"}}
        if kind == "addon":
            price = {"model": "per_unit", "amount": "1"}
            card = {"key": slug, "name": slug, "quantity": "1", "price": price}
        draft = {"currency": "USD", "rate_cards": [card], "entitlements": entitlements}
        self.do("/v1/plans", {"slug": slug, "kind": kind, "draft": draft})
        self.do(f"/v1/plans/{slug}/activate", None)

    def check(self, feature: str = "calls", customer: str = "contoso") -> Json:
        answer = self.ask("GET", f"/v1/customers/{customer}/entitlements/{feature}")
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    def event(self, ago: timedelta = timedelta(0), subject: str = "chat", **data: Any) -> Json:
        """An event of a subject, at its time."""
        self.number += 1
        return {
            "specversion": "1.0",
            "id": f"e-{self.number}",
            "source": "shop",
            "type": "request",
            "subject": subject,
            "time": (SystemClock().now() - ago).isoformat(),
            "data": data,
        }

    def send(self, ingest: str, *events: Json) -> None:
        kind = {"Content-Type": "application/cloudevents-batch+json"}
        answer = httpx.post(
            f"{ingest}/v1/events", json=list(events), headers=self.headers | kind, timeout=60
        )
        assert answer.status_code == 202, answer.text

    def track(self, **changes: Any) -> httpx.Response:
        key = changes.pop("key", None)
        headers = {} if key is None else {"Idempotency-Key": key}
        body = {"subject": "chat", "feature": "calls"} | changes
        return self.ask("POST", "/v1/usage/track", body, **headers)

    def track_until_told(self, key: str) -> httpx.Response:
        """As a client does: after a 503 it sends the same again, under the same key."""
        answer = self.track(key=key)
        while answer.status_code in {409, 503}:
            time.sleep(0.2)
            answer = self.track(key=key)
        return answer

    def wait(self, condition: Callable[[], bool], seconds: float = 60) -> float:
        """Wait until something holds; how long that took."""
        began = monotonic_seconds()
        while not condition():
            assert monotonic_seconds() - began < seconds, f"{self.check()}\n{self.world.logs()}"
            time.sleep(0.05)
        return monotonic_seconds() - began

    def wait_used(self, used: str) -> float:
        """Wait until so much is used, as a check says; how long that took."""
        return self.wait(lambda: self.check()["used"] == used)
