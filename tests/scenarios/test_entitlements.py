"""What customers may use, as events, plans, overrides and grants come and go: the real stack."""

from __future__ import annotations

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from psycopg.rows import dict_row
from typer.testing import CliRunner

from cli.main import build_app
from core.clock import SystemClock, monotonic_seconds
from db.postgres import Database
from tests.scenarios.shop import Shop
from tests.scenarios.world import World

pytestmark = pytest.mark.slow

CALLERS = 64


@pytest.fixture
def shop(world: World) -> Shop:
    return Shop(world)


def records(world: World) -> list[dict[str, object]]:
    with Database(world.endpoints.postgres) as db, db.transaction() as conn:
        cursor = conn.cursor(row_factory=dict_row)
        found = cursor.execute("SELECT * FROM entitlements.usage_records ORDER BY id").fetchall()
    return [dict(row) for row in found]


def logged(world: World) -> int:
    """Events that are accepted and not taken back."""
    [[count]] = world.rows("SELECT sum(sign) FROM usage_events FINAL")
    return int(count or 0)


@pytest.mark.timed
@pytest.mark.req("STR-02", "ENT-01", "ENT-02", "ENT-03")
def test_a_check_moves_within_five_seconds_of_an_event(world: World, shop: Shop) -> None:
    ingest = world.ingest()
    world.worker("a")
    shop.open({"limit": "3"})
    first = shop.check()
    assert (first["allowed"], first["used"], first["limit"]) == (True, "0", "3")
    shop.send(ingest, shop.event())
    shop.wait(lambda: shop.check()["used"] == "1")  # the worker is warm
    for used in ("2", "3", "4", "5"):
        shop.send(ingest, shop.event())
        assert shop.wait_used(used) < 5
    last = shop.check()
    assert (last["remaining"], last["exceeded"], last["allowed"]) == ("0", True, True)
    assert Decimal(last["age_seconds"]) <= 3
    # Over the whole time no answer was older than it may be, and warm ones came from memory.
    text = httpx.get(f"{shop.url}/metrics").text
    assert 'tollbook_entitlement_checks_total{source="memory"}' in text


@pytest.mark.req("ENT-03")
def test_subjects_plans_addons_overrides_grants_and_voids_move_a_check(
    world: World, shop: Shop
) -> None:
    ingest = world.ingest()
    world.worker("a")
    shop.open({"limit": "100"}, meter="tokens")
    hours = [timedelta(hours=n) for n in (5, 4, 3, 2, 1)]
    tokens = [10, 20, 30, 40, -5]
    events = [
        shop.event(ago, usage={"tokens": used}) for ago, used in zip(hours, tokens, strict=True)
    ]
    shop.send(ingest, *events)
    shop.wait(lambda: shop.check()["used"] == "95")

    # Taken back, and in its own time.
    void = {
        "specversion": "1.0",
        "id": "v",
        "source": "shop",
        "type": "tollbook.void",
        "subject": "void",
        "data": {"source": events[1]["source"], "id": events[1]["id"]},
    }
    shop.send(ingest, void)
    shop.wait(lambda: shop.check()["used"] == "75")

    # From 210 minutes ago on the subject is another customer's: 10 stay, and 65 are theirs.
    shop.do("/v1/customers", {"slug": "other", "currency": "USD"})
    since = (SystemClock().now() - timedelta(minutes=210)).isoformat()
    shop.do("/v1/customers/other/subjects", {"subject": "chat", "from": since, "move": True})
    shop.wait(lambda: shop.check()["used"] == "10")
    assert not shop.check(customer="other")["allowed"]

    shop.sell("more", [{"feature": "calls", "limit": "50"}], kind="addon")
    shop.do("/v1/subscriptions/main/change", {"addons": {"more": "2"}})
    shop.wait(lambda: shop.check()["limit"] == "200")
    shop.sell("small", [{"feature": "calls", "limit": "5", "hard": True}])
    shop.do("/v1/subscriptions/main/change", {"plan": "small", "addons": {"more": "0"}})
    shop.wait(lambda: shop.check()["limit"] == "5")
    found = shop.check()
    assert (found["allowed"], found["exceeded"], found["used"]) == (False, True, "10")

    # More, once: what was over the limit before it came is not taken from it.
    soon = SystemClock().now() + timedelta(seconds=6)
    body = {"feature": "calls", "quantity": "7", "end": soon.isoformat()}
    shop.do("/v1/customers/contoso/grants", body)
    shop.wait(lambda: shop.check()["remaining"] == "7")
    assert shop.check()["allowed"]
    shop.wait(lambda: shop.check()["remaining"] == "0")
    assert SystemClock().now() >= soon

    made = shop.do(
        "/v1/customers/contoso/overrides", {"feature": "calls", "limit": "11", "hard": True}
    )
    shop.wait(lambda: shop.check()["remaining"] == "1")
    refused = shop.ask(
        "POST", "/v1/customers/contoso/overrides", {"feature": "calls", "given": False}
    )
    assert refused.status_code == 409
    shop.do(f"/v1/customers/contoso/overrides/{made['id']}/end", {})
    shop.wait(lambda: shop.check()["limit"] == "5")
    shop.do("/v1/customers/contoso/overrides", {"feature": "calls", "given": False})
    shop.wait(lambda: shop.check()["sources"] == [])
    assert not shop.check()["allowed"]


@pytest.mark.req("RAT-11", "ING-06", "ING-07", "ENT-04")
def test_of_64_callers_as_many_succeed_as_a_hard_limit_has_units(world: World, shop: Shop) -> None:
    world.worker("a")
    units = 40
    shop.open({"limit": str(units), "hard": True})
    assert shop.check()["remaining"] == str(units)
    seen: list[int] = []

    with ThreadPoolExecutor(CALLERS + 1) as pool:
        calls = [pool.submit(shop.track_until_told, f"call-{n}") for n in range(CALLERS)]
        while not all(call.done() for call in calls):
            seen.append(int(shop.check()["used"]))
            time.sleep(0.05)
        answers = [call.result() for call in calls]
    good = [answer.json() for answer in answers if answer.status_code == 201]
    bad = [answer for answer in answers if answer.status_code != 201]
    assert len(good) == units, [answer.text for answer in bad]
    assert {answer.status_code for answer in bad} == {422}
    assert {answer.json()["error"]["code"] for answer in bad} == {"usage_limit_exceeded"}
    details = bad[0].json()["error"]["details"]
    assert (details["used"], details["limit"], details["remaining"]) == ("40", "40", "0")
    assert sorted(int(answer["used"]) for answer in good) == list(range(1, units + 1))
    assert not any(answer["exceeded"] for answer in good)

    # While events arrive, what is counted as used never leaves 40: none is counted twice.
    began = monotonic_seconds()
    while logged(world) < units or monotonic_seconds() - began < 5:
        seen.append(int(shop.check()["used"]))
        assert monotonic_seconds() - began < 60, world.logs()
    assert max(seen) == units
    assert seen[-1] == units
    assert shop.track().status_code == 422
    assert logged(world) == units
    assert all(row["seen_at"] is not None for row in records(world))
    usage = shop.ask("GET", "/v1/features/calls/usage", None)
    assert usage.status_code == 400  # it asks for a period


@pytest.mark.req("ING-05", "ING-06", "ENT-04")
def test_beyond_a_soft_limit_use_is_recorded_and_told(world: World, shop: Shop) -> None:
    world.worker("a")
    shop.open({"limit": "10"}, meter="tokens")
    answers = [shop.track(quantity=quantity).json() for quantity in ("4.5", "5.5", "2.25")]
    told = [(a["used"], a["limit"], a["remaining"], a["exceeded"]) for a in answers]
    assert told == [
        ("4.5", "10", "5.5", False),
        ("10", "10", "0", False),
        ("12.25", "10", "0", True),
    ]
    shop.wait(lambda: logged(world) == 3)
    shop.wait(lambda: shop.check()["used"] == "12.25")
    start = (SystemClock().now() - timedelta(days=1)).isoformat().replace("+", "%2B")
    end = (SystemClock().now() + timedelta(days=1)).isoformat().replace("+", "%2B")
    usage = shop.ask("GET", f"/v1/features/calls/usage?start={start}&end={end}").json()
    assert [(row["subject"], row["quantity"]) for row in usage["data"]] == [("chat", "12.25")]

    for changes, status, code in (
        ({"subject": "nobody"}, 404, "customer_not_found"),
        ({"quantity": "0"}, 400, "validation_error"),
        ({"quantity": "1.0000000000001"}, 400, "validation_error"),
        ({"feature": "none"}, 404, "not_found"),
        ({"customer": "none"}, 404, "customer_not_found"),
        ({"properties": {"usage": "x"}}, 400, "validation_error"),
    ):
        refused = shop.track(**changes)
        assert (refused.status_code, refused.json()["error"]["code"]) == (status, code), changes
    shop.do("/v1/subscriptions/main/cancel", {"at": "now"})
    shop.wait(lambda: shop.track().status_code == 422)
    assert shop.track().json()["error"]["code"] == "no_active_subscription"


@pytest.mark.req("ING-06", "ING-14")
def test_a_process_that_dies_before_it_sends_leaves_a_record_that_is_sent_once(
    world: World, shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    worker = world.worker("a")
    shop.open({"limit": "10", "hard": True})
    for round_number, repeats in enumerate((True, False), 1):
        reached = tmp_path / f"reached-{round_number}"
        monkeypatch.setenv("TOLLBOOK_FAULT", f"ingest_before_produce:1:{reached}")
        shop.start(f"armed-{round_number}")
        monkeypatch.delenv("TOLLBOOK_FAULT")
        key = f"once-{round_number}"
        with pytest.raises(httpx.TransportError):
            shop.track(key=key)
        assert reached.read_text().startswith("ingest_before_produce:1")
        # The record and its outbox row are there, both, and no event.
        rows = records(world)
        assert len(rows) == round_number
        assert rows[-1]["sent_at"] is None
        if shop.api.alive():
            shop.api.signal(signal.SIGKILL)
        again = shop.start(f"again-{round_number}")
        told = shop.ask("GET", "/v1/changes?subject=usage.recorded").json()["data"]
        assert [change["resource_id"].removeprefix("usr_") for change in told] == [
            str(row["id"]).replace("-", "") for row in rows
        ]
        if repeats:
            answer = shop.track(key=key)
            assert answer.status_code == 201, answer.text
            assert answer.json()["id"] == told[-1]["resource_id"]
        shop.wait(lambda: records(world)[-1]["sent_at"] is not None)
        shop.wait_used(str(round_number))
        world.wait_until_proved(worker.start)
        assert logged(world) == round_number
        shop.api = again
    assert len(records(world)) == 2


def test_a_sandbox_is_asked_and_used_in_its_own_time(world: World, shop: Shop) -> None:
    """Its clock stands still: what is used is read each time, and windows are its own."""
    world.worker("a")
    march, april = datetime(2025, 3, 10, tzinfo=UTC), datetime(2025, 4, 10, tzinfo=UTC)

    def tollbook(*arguments: str) -> Any:
        environ = world.endpoints.as_environment()
        found = CliRunner().invoke(build_app(), [*arguments, "--json"], env=environ)
        assert found.exit_code == 0, (found.output, found.exception)
        return json.loads(found.stdout)

    made = tollbook("sandbox", "create", "trial", "--at", march.isoformat())
    shop.headers = {"Authorization": f"Bearer {made['api_key']}"}
    time.sleep(2)  # a new key is known within about a second
    meter = {"slug": "calls", "name": "Calls", "event_type": "call", "aggregation": "count"}
    shop.do("/v1/meters", meter)
    shop.do("/v1/features", {"slug": "calls", "kind": "metered", "meter": "calls"})
    shop.sell("standard", [{"feature": "calls", "limit": "2", "hard": True}])
    shop.do("/v1/customers", {"slug": "contoso", "currency": "USD"})
    shop.do("/v1/customers/contoso/subjects", {"subject": "chat"})
    shop.do("/v1/subscriptions", {"slug": "main", "customer": "contoso", "plan": "standard"})
    used = [shop.track_until_told(f"march-{number}") for number in range(3)]
    assert [each.status_code for each in used] == [201, 201, 422]
    assert {datetime.fromisoformat(each.json()["time"]) for each in used[:2]} == {march}
    shop.wait(lambda: logged(world) == 2)
    tollbook("sandbox", "advance", "--to", april.isoformat(), "--tenant", "trial")
    shop.wait(lambda: shop.check()["used"] == "0")
    assert shop.track_until_told("april").status_code == 201
    shop.wait_used("1")
    window = shop.check()["window"]
    assert datetime.fromisoformat(window["start"]) == april
