"""Every compatible route with another tenant's key and names: nothing is shown, nothing is changed.

Both tenants run on one stack. The other one's events are counted before anybody asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from api.compat.flexprice import KEY_HEADER
from api.compat_app import create_compat_app
from catalog.meters import list_meters
from core.acting import Acting
from core.clock import SystemClock
from core.endpoints import Endpoints
from db.clickhouse import connect_clickhouse
from db.postgres import Database
from identity.api_keys import SCOPES, insert_api_key
from ingest.settings import IngestSettings
from tests.api.management import NOWHERE, Party
from tests.api.test_tenant_matrix import OPEN, rows_of
from tests.plugins.database import do
from tests.scenarios.world import World, set_up

MARKER = "marker"
"""Stands in each thing of the other tenant, and in nothing that is asked."""

CLOUD = {"specversion": "1.0", "id": "mine", "source": "/a", "type": "request", "subject": "s"}
LAGO = {"transaction_id": "mine", "external_subscription_id": "s", "code": "request"}
STRIPE = {"identifier": "mine", "event_name": "request", "payload": {"stripe_customer_id": "s"}}
FLEX = {"event_id": "mine", "external_customer_id": "s", "event_name": "request"}
METER = {"slug": "mine", "aggregation": "COUNT", "eventType": "request"}
FORM = {"identifier": "mine", "event_name": "request", "payload[stripe_customer_id]": "s"}

OPENMETER, STRIPE_AT = "/compat/openmeter/api/v1", "/compat/stripe"
REQUESTS: dict[tuple[str, str], tuple[Any, int]] = {
    ("post", f"{OPENMETER}/events"): (CLOUD, 204),
    ("get", f"{OPENMETER}/events"): (None, 200),
    ("post", f"{OPENMETER}/meters"): (METER, 201),
    ("get", f"{OPENMETER}/meters"): (None, 200),
    ("get", f"{OPENMETER}/meters/{{name}}"): (None, 404),
    ("get", f"{OPENMETER}/meters/{{name}}/query"): (None, 404),
    ("post", f"{OPENMETER}/meters/{{name}}/query"): ({}, 404),
    ("post", "/compat/lago/api/v1/events"): ({"event": LAGO}, 200),
    ("post", "/compat/lago/api/v1/events/batch"): ({"events": [LAGO]}, 200),
    ("get", "/compat/lago/api/v1/events/{transaction_id}"): (None, 404),
    ("post", f"{STRIPE_AT}/v1/billing/meter_events"): (urlencode(FORM), 200),
    ("post", f"{STRIPE_AT}/v2/billing/meter_events"): (STRIPE, 200),
    ("post", f"{STRIPE_AT}/v2/billing/meter_event_session"): ({}, 200),
    ("post", f"{STRIPE_AT}/v2/billing/meter_event_stream"): ({"events": [STRIPE]}, 200),
    ("post", "/compat/flexprice/v1/events"): (FLEX, 202),
    ("post", "/compat/flexprice/v1/events/bulk"): ({"events": [FLEX]}, 202),
}
"""What is sent as a body, and the answer's status: for each route that there is."""


@dataclass
class Both:
    """A tenant that asks, and one whose things it asks for; both at one process."""

    world: World
    url: str
    asking: dict[str, str]
    other: Party
    other_meter: str

    def ask(self, method: str, path: str, body: Any, headers: dict[str, str]) -> httpx.Response:
        if isinstance(body, str):
            headers = {**headers, "content-type": "application/x-www-form-urlencoded"}
        sent = {"content": body} if isinstance(body, str) else {"json": body}
        if path.endswith("/meter_event_stream"):
            opened = self.ask("post", path.replace("_stream", "_session"), {}, headers)
            headers = {"Authorization": f"Bearer {opened.json()['authentication_token']}"}
        return httpx.request(
            method, self.url + path, headers=headers, timeout=30,
            **({} if body is None else sent),
        )  # fmt: skip

    def counted(self) -> list[tuple[Any, ...]]:
        """What is counted of the other tenant."""
        client = connect_clickhouse(self.world.endpoints.clickhouse)
        rows = client.query(
            "SELECT id, source, type, subject, data FROM usage_events"
            f" WHERE tenant_id = '{self.other.tenant_id}' ORDER BY ALL"
        ).result_rows
        client.close()
        return [tuple(row) for row in rows]


def headers_of(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}", KEY_HEADER: key}


@pytest.fixture
def both(installation: Endpoints, tmp_path: Path) -> Iterator[Both]:
    world = World(installation, tmp_path)
    other_id, _, _ = set_up(installation, "zeta")
    with Database(installation.postgres) as db:
        keys = [
            headers_of(do(db, insert_api_key, SystemClock(), each, "all", tuple(SCOPES)))
            for each in (world.tenant_id, other_id)
        ]
    compat = world.process("compat", "serve", "compat", "--port", "0")
    url = compat.wait_for(r"listening on (http://\S+)")[1]
    made = Both(world, url, keys[0], Party(other_id, *[keys[1]] * 3), "")
    theirs = [
        ("post", f"{OPENMETER}/meters", METER | {"slug": "theirs", "eventType": f"{MARKER}-type"}),
        ("post", f"{OPENMETER}/events", CLOUD | {"id": "theirs", "subject": MARKER}),
        (
            "post",
            "/compat/lago/api/v1/events",
            {"event": LAGO | {"transaction_id": "theirs", "code": MARKER}},
        ),
    ]
    for method, path, body in theirs:
        sent = made.ask(method, path, body, keys[1])
        assert sent.status_code < 300, sent.text
        if "meters" in path:
            made.other_meter = sent.json()["id"]
    worker = world.worker("a")
    world.wait_until_proved(worker.start)
    yield made
    world.end()


@pytest.mark.req("SEC-01")
def test_every_compatible_route_is_in_the_matrix() -> None:
    document = create_compat_app(IngestSettings(NOWHERE, Path("none"))).openapi()
    found = {
        (method, path)
        for path, operations in document["paths"].items()
        for method in operations
        if path not in OPEN
    }
    assert found == set(REQUESTS)


@pytest.mark.req("SEC-01")
def test_no_compatible_route_shows_or_changes_what_is_another_tenants(both: Both) -> None:
    counted = both.counted()
    assert {row[0] for row in counted} == {"theirs"}
    assert len(counted) == 2, "one by OpenMeter, one by Lago"
    with Database(both.world.endpoints.postgres) as db:
        before = rows_of(db, both.other)
        for (method, path), (body, status) in REQUESTS.items():
            for name in ("theirs", both.other_meter):
                url = path.replace("{name}", name).replace("{transaction_id}", name)
                if (method, path) == ("get", f"{OPENMETER}/events"):
                    url += "?id=theirs"
                found = both.ask(method, url, body, both.asking)
                again = {409} if status == 201 and name != "theirs" else {status}
                assert found.status_code in again, (url, found.text)
                shown = [each for each in (MARKER, both.other_meter) if each not in url]
                assert not [each for each in shown if each in found.text], (url, found.text)
                if (method, path) == ("get", f"{OPENMETER}/events"):
                    assert found.json() == []
        both.world.wait_until_proved(both.world.processes[-1].start)
        assert rows_of(db, both.other) == before
        with db.transaction(Acting(both.world.tenant_id)) as conn:
            mine = {meter.slug for meter in list_meters(conn, both.world.tenant_id)}
    assert mine == {"requests", "tokens", "mine"}
    assert both.counted() == counted
    known = both.ask("get", "/compat/lago/api/v1/events/theirs", None, both.other.reader)
    assert known.status_code == 200, known.text
