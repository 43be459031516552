"""Quantities held ahead of use, beside use that is tracked, on the real stack."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from cli.main import build_app
from db.postgres import Database
from tests.scenarios.shop import Json, Shop
from tests.scenarios.world import World

pytestmark = pytest.mark.slow

CALLERS = 64
LIMIT = 100


@pytest.fixture
def shop(world: World) -> Shop:
    return Shop(world)


def until_told(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """As a client does: after a 503, or while another one does the same, it sends it again."""
    answer = ask()
    while answer.status_code == 503 or (answer.status_code == 409 and not is_closed(answer)):
        time.sleep(0.2)
        answer = ask()
    return answer


def is_closed(answer: httpx.Response) -> bool:
    return bool(answer.json()["error"]["code"] == "hold_closed")


def hold(shop: Shop, key: str, **changes: Any) -> httpx.Response:
    body = {"customer": "contoso", "feature": "calls", "quantity": "1"} | changes
    headers = {"Idempotency-Key": key}
    return until_told(lambda: shop.ask("POST", "/v1/usage/holds", body, **headers))


def commit(shop: Shop, name: str, quantity: str, key: str) -> httpx.Response:
    body = {"subject": "chat", "feature": "calls", "quantity": quantity}
    path, headers = f"/v1/usage/holds/{name}/commit", {"Idempotency-Key": key}
    return until_told(lambda: shop.ask("POST", path, body, **headers))


def release(shop: Shop, name: str) -> httpx.Response:
    return until_told(lambda: shop.ask("POST", f"/v1/usage/holds/{name}/release"))


def counted(world: World) -> Decimal:
    """What the log has of tokens: each event once, whatever Tollbook says of it."""
    rows = world.rows("SELECT data FROM usage_events FINAL")
    return sum((Decimal(str(json.loads(data)["usage"]["tokens"])) for [data] in rows), Decimal(0))


def recorded(world: World) -> Decimal:
    with Database(world.endpoints.postgres) as db, db.transaction() as conn:
        [row] = conn.execute("SELECT sum(quantity) AS quantity FROM entitlements.usage_records")
    return Decimal(row["quantity"] or 0)


def tell(shop: Shop, number: int, seed: int) -> list[httpx.Response]:
    """One caller: holds, then commits less, as much or more, gives back, or lets it be; tracks."""
    rng, answers = random.Random(seed * CALLERS + number), list[httpx.Response]()
    for turn in range(2):
        key, quantity = f"{number}-{turn}", rng.randint(1, 5)
        if rng.random() < 0.3:
            answers.append(
                until_told(lambda: shop.track(key=f"t-{key}", quantity=str(quantity)))  # noqa: B023 - called at once
            )
            continue
        held = hold(shop, f"h-{key}", quantity=str(quantity))
        answers.append(held)
        what = rng.choice(["commit", "commit", "more", "release", "leave"])
        if held.status_code != 201 or what == "leave":
            continue
        name = held.json()["id"]
        if what == "release":
            answers.append(release(shop, name))
            continue
        used = quantity + 2 if what == "more" else rng.randint(1, quantity)
        answers.append(commit(shop, name, str(used), f"c-{key}"))
    return answers


@pytest.mark.req("ENT-04", "ING-07")
def test_64_callers_who_hold_commit_release_and_track_never_get_more_than_the_limit(
    world: World, shop: Shop, seed: int
) -> None:
    world.worker("a")
    shop.open({"limit": str(LIMIT), "hard": True}, meter="tokens")
    assert shop.check()["remaining"] == str(LIMIT)
    seen: list[Decimal] = []
    with ThreadPoolExecutor(CALLERS) as pool:
        calls = [pool.submit(tell, shop, number, seed) for number in range(CALLERS)]
        while not all(call.done() for call in calls):
            seen.append(Decimal(shop.check()["used"]))
            time.sleep(0.05)
        answers = [answer for call in calls for answer in call.result()]
    statuses = {answer.status_code for answer in answers}
    assert statuses == {200, 201, 422}, [each.text for each in answers if each.status_code > 422]
    codes = {each.json()["error"]["code"] for each in answers if each.status_code == 422}
    assert codes == {"usage_limit_exceeded"}
    told = [each.json() for each in answers if each.status_code == 201]
    assert all(Decimal(each["used"]) <= LIMIT for each in told), f"--seed {seed}"
    used = sum(Decimal(each["quantity"]) for each in told if each["id"].startswith("usr_"))
    last = shop.track(quantity=str(LIMIT))
    left = last.json()["error"]["details"]
    held = LIMIT - Decimal(left["remaining"]) - used
    assert used + held <= LIMIT
    # What is written down, what the log has and what callers were told is one and the same.
    assert recorded(world) == used
    shop.wait(lambda: counted(world) == used)
    shop.wait(lambda: shop.check()["used"] == f"{used + held:f}")
    assert shop.check()["held"] == f"{held:f}"
    assert max(seen) <= LIMIT


@pytest.mark.req("ENT-04", "ING-06")
def test_a_process_that_dies_before_it_sends_what_was_committed_counts_it_once(
    world: World, shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world.worker("a")
    shop.open({"limit": "100", "hard": True}, meter="tokens")
    for turn, repeats in enumerate((True, False), 1):
        name = hold(shop, f"hold-{turn}", quantity="40").json()["id"]
        reached = tmp_path / f"reached-{turn}"
        monkeypatch.setenv("TOLLBOOK_FAULT", f"ingest_before_produce:1:{reached}")
        shop.start(f"armed-{turn}")
        monkeypatch.delenv("TOLLBOOK_FAULT")
        with pytest.raises(httpx.TransportError):
            commit(shop, name, "30", f"commit-{turn}")
        assert reached.read_text().startswith("ingest_before_produce:1")
        if shop.api.alive():
            shop.api.signal(signal.SIGKILL)
        shop.api = shop.start(f"again-{turn}")
        # It is used and no longer held, once, before its event is sent and after.
        assert recorded(world) == 30 * turn
        shown = shop.ask("GET", f"/v1/usage/holds/{name}")
        assert (shown.json()["status"], shown.headers["etag"]) == ("committed", '"2"')
        assert (shop.check()["used"], shop.check()["held"]) == (str(30 * turn), "0")
        if repeats:
            answer = commit(shop, name, "30", f"commit-{turn}")
            assert answer.status_code == 201, answer.text
            assert answer.json()["id"] == shown.json()["record"]
        else:
            assert commit(shop, name, "30", "other").status_code == 409
        shop.wait(lambda: counted(world) == 30 * turn)  # noqa: B023 - called at once
        shop.wait(lambda: shop.check()["used"] == str(30 * turn))  # noqa: B023 - called at once
    assert recorded(world) == 60


def test_holds_over_http_and_by_command(world: World, shop: Shop) -> None:
    world.worker("a")
    shop.open({"limit": "10"}, meter="tokens")
    made = hold(shop, "first", quantity="8.5", expires_in=600).json()
    assert hold(shop, "first", quantity="8.5", expires_in=600).json() == made
    assert (made["used"], made["remaining"], made["exceeded"]) == ("8.5", "1.5", False)
    assert hold(shop, "soft", quantity="2", expires_in=1).json()["exceeded"]
    shop.wait(lambda: shop.check()["held"] == "8.5")
    for changes, status, code in (
        ({"quantity": "0"}, 400, "validation_error"),
        ({"expires_in": 0}, 400, "validation_error"),
        ({"expires_in": 86_401}, 400, "validation_error"),
        ({"feature": "none"}, 404, "not_found"),
        ({"customer": "none"}, 404, "customer_not_found"),
    ):
        refused = hold(shop, f"bad-{changes}".replace(" ", ""), **changes)
        assert (refused.status_code, refused.json()["error"]["code"]) == (status, code), changes
    missing = release(shop, "hld_" + "0" * 32)
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "hold_not_found")

    def tollbook(*words: str) -> Json:
        environ = world.endpoints.as_environment()
        found = CliRunner().invoke(build_app(), ["entitlements", *words, "--json"], env=environ)
        assert found.exit_code == 0, (found.output, found.exception)
        told: Json = json.loads(found.stdout)
        return told

    used = tollbook("commit", made["id"], "chat", "7.25", "--property", "model=large")
    assert (used["held"], used["quantity"], used["hold"]) == ("8.5", "7.25", made["id"])
    shop.wait(lambda: counted(world) == Decimal("7.25"))
    other = tollbook("hold", "contoso", "calls", "2", "--expires-in", "30")
    assert tollbook("release", other["id"])["status"] == "released"
    again = release(shop, other["id"])
    assert (again.status_code, again.json()["error"]["code"]) == (409, "hold_closed")
    shop.wait(lambda: shop.check()["used"] == "7.25")


def test_a_hold_of_a_sandbox_is_over_by_the_sandboxs_clock(world: World, shop: Shop) -> None:
    world.worker("a")
    begin = datetime(2025, 3, 10, tzinfo=UTC)

    def tollbook(*arguments: str) -> Json:
        environ = world.endpoints.as_environment()
        found = CliRunner().invoke(build_app(), [*arguments, "--json"], env=environ)
        assert found.exit_code == 0, (found.output, found.exception)
        told: Json = json.loads(found.stdout)
        return told

    made = tollbook("sandbox", "create", "trial", "--at", begin.isoformat())
    shop.headers = {"Authorization": f"Bearer {made['api_key']}"}
    time.sleep(2)  # a new key is known within about a second
    words = {"aggregation": "sum", "value": "usage.tokens"}
    shop.do("/v1/meters", {"slug": "tokens", "name": "Tokens", "event_type": "call"} | words)
    shop.do("/v1/features", {"slug": "calls", "kind": "metered", "meter": "tokens"})
    shop.sell("standard", [{"feature": "calls", "limit": "5", "hard": True}])
    shop.do("/v1/customers", {"slug": "contoso", "currency": "USD"})
    shop.do("/v1/customers/contoso/subjects", {"subject": "chat"})
    shop.do("/v1/subscriptions", {"slug": "main", "customer": "contoso", "plan": "standard"})
    held = hold(shop, "one", quantity="5", expires_in=1).json()
    kept = held["id"]
    time.sleep(1.1)  # real seconds end nothing here
    assert hold(shop, "two").status_code == 422
    assert shop.ask("GET", f"/v1/usage/holds/{kept}").json()["status"] == "open"
    later = begin + timedelta(seconds=1)
    assert datetime.fromisoformat(held["expires_at"]) == later
    tollbook("sandbox", "advance", "--to", later.isoformat(), "--tenant", "trial")
    assert shop.ask("GET", f"/v1/usage/holds/{kept}").json()["status"] == "expired"
    assert commit(shop, kept, "5", "late").status_code == 409
    assert hold(shop, "three", quantity="5").json()["used"] == "5"
