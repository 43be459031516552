"""Meters made, changed and archived while events flow, by API and by command."""

from __future__ import annotations

import json
import random
import threading
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from catalog.meter_register import find_meter
from core.clock import SystemClock, monotonic_seconds
from core.period import Period
from db.postgres import Database
from identity.api_keys import METERS_READ, METERS_WRITE, insert_api_key
from tests.scenarios.traffic import START, make_event
from tests.scenarios.world import World, post
from usage.reader import UsageReader

_ALWAYS = Period(START, START + timedelta(days=400))
Event = dict[str, Any]


def _events(rng: random.Random, first: int, count: int) -> list[Event]:
    made = []
    for number in range(first, first + count):
        event = make_event(number, rng)
        event["type"] = rng.choice(["request", "batch", "other"])
        event["data"]["model"] = rng.choice(["small", "large", "tiny"])
        event["data"]["retries"] = rng.randint(0, 3)
        made.append(event)
    return made


class _Flow(threading.Thread):
    """Posts events until it is told to finish, and at least a few batches."""

    def __init__(self, world: World, ingest: str, rng: random.Random) -> None:
        super().__init__(daemon=True)
        self._world, self._ingest, self._rng = world, ingest, rng
        self._events: list[Event] = []
        self._finish = threading.Event()

    def run(self) -> None:
        with httpx.Client(timeout=60) as client:
            while not self._finish.is_set() or len(self._events) < 1000:
                batch = _events(self._rng, len(self._events), 100)
                post(client, self._ingest, self._world.api_key, batch)
                self._events += batch
                time.sleep(0.1)

    def finish(self) -> list[Event]:
        """Stop; returns every event that was acknowledged."""
        assert self.is_alive()
        self._finish.set()
        self.join(60)
        assert not self.is_alive()
        return self._events


def _usage(world: World, slug: str) -> Decimal:
    """What a meter counted in all, over all subjects."""
    with Database(world.endpoints.postgres) as db, db.transaction() as conn:
        meter = find_meter(conn, world.tenant_id, slug).definition
    reader = UsageReader(world.endpoints.clickhouse)
    try:
        found = reader.period_usage(world.tenant_id, [meter], _ALWAYS, reader.cut())
    finally:
        reader.close()
    return sum(found["quantity"].to_list(), Decimal(0))


def _api(world: World) -> httpx.Client:
    with Database(world.endpoints.postgres) as db, db.transaction() as conn:
        scopes = (METERS_READ, METERS_WRITE)
        key = insert_api_key(conn, SystemClock(), world.tenant_id, "meters", scopes)
    process = world.process("api", "serve", "api", "--port", "0")
    url = process.wait_for(r"listening on (http://\S+)")[1]
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30)


def _run(world: World, *arguments: str) -> str:
    """Run a command to its end; returns what it printed."""
    process = world.process(f"command-{len(world.processes)}", *arguments)
    deadline = monotonic_seconds() + 60
    while process.alive():
        assert monotonic_seconds() < deadline
        time.sleep(0.05)
    return process.read_log()


def _check_trials(
    world: World, api: httpx.Client, document: Event, file: Path, expected: tuple[int, int]
) -> None:
    """What meters would have counted, asked before they are made, is what they count."""
    period = {"start": _ALWAYS.start.isoformat(), "end": _ALWAYS.end.isoformat()}
    trial = {"meter": document | {"slug": "trial"}, **period}
    found = api.post("/v1/meters/dry-run", json=trial).json()
    assert sum(Decimal(row["quantity"]) for row in found["usage"]) == expected[0]
    assert found["counted"] + found["left_out"] == found["events_read"]
    arguments = ("--from", period["start"], "--to", period["end"], "--json")
    printed = json.loads(_run(world, "meters", "dry-run", str(file), *arguments))
    assert sum(Decimal(row["quantity"]) for row in printed["usage"]) == expected[1]
    wrong = api.post("/v1/meters/dry-run", json=trial | {"end": period["start"]})
    assert wrong.status_code == httpx.codes.BAD_REQUEST
    assert {meter["slug"] for meter in api.get("/v1/meters").json()["data"]} == {
        "requests", "tokens", "hard", "retries",
    }  # fmt: skip


@pytest.mark.req("ING-04")
def test_meters_are_made_changed_and_archived_while_events_flow(
    world: World, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    ingest, worker = world.ingest(), world.worker("w")
    flow = _Flow(world, ingest, rng)
    with _api(world) as api:
        flow.start()
        filters = {
            "and": [{"path": "model", "in": ["small", "large"]}, {"path": "retries", "gt": "1"}]
        }
        document = {
            "slug": "hard", "name": "Hard requests", "event_types": ["request", "batch"],
            "aggregation": "count", "filter": filters,
        }  # fmt: skip
        assert api.post("/v1/meters", json=document).status_code == 201
        file = tmp_path / "retries.json"
        file.write_text(json.dumps({
            "slug": "retries", "event_type": "batch", "aggregation": "sum", "value": "retries",
        }))  # fmt: skip
        assert "created meter retries" in _run(world, "meters", "create", str(file))
        renamed = api.patch("/v1/meters/retries", json={"name": "Tries", "metadata": {"a": "b"}})
        assert renamed.json()["name"] == "Tries"
        events = flow.finish()
        listed = api.get("/v1/meters").json()["data"]
        assert {meter["slug"] for meter in listed} == {"requests", "tokens", "hard", "retries"}
        world.wait_until_proved(worker.start)
        hard = sum(
            event["type"] in {"request", "batch"}
            and event["data"]["model"] in {"small", "large"}
            and event["data"]["retries"] > 1
            for event in events
        )
        retries = sum(event["data"]["retries"] for event in events if event["type"] == "batch")
        assert (_usage(world, "hard"), _usage(world, "retries")) == (hard, retries), seed

        _check_trials(world, api, document, file, (hard, retries))

        archived = api.post("/v1/meters/retries/archive").json()
        assert archived["archived_at"] is not None
        assert "archived" in _run(world, "meters", "list")
        later = (SystemClock().now() + timedelta(minutes=1)).isoformat()
        more = [
            event | {"time": later, "type": "batch"} | {"data": {"model": "small", "retries": 2}}
            for event in _events(rng, len(events), 40)
        ]
        post(api, ingest, world.api_key, more)
        world.wait_until_proved(worker.start)
        assert (_usage(world, "hard"), _usage(world, "retries")) == (hard + 40, retries), seed
