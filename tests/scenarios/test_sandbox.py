"""A sandbox on the whole stack: a year of events through ingest and workers, walked by commands."""

from __future__ import annotations

import json
import signal
import time
from calendar import monthrange
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from typer.testing import CliRunner

from cli.main import build_app
from core.clock import monotonic_seconds
from tests.scenarios.world import World, post

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YEAR = datetime(2024, 12, 31, 23, tzinfo=UTC)
"""Midnight in Berlin."""

FILE = """
[tenant]
slug = "trial"
name = "Trial Ltd"

[[meters]]
slug = "tokens"
name = "Tokens"
event_type = "llm"
aggregation = "sum"
value = "n"

[[plans]]
slug = "standard"
name = "Standard"
currency = "EUR"

[[plans.rate_cards]]
key = "fee"
name = "Fee"
price = { model = "flat", amount = "49.00" }

[[plans.rate_cards]]
key = "tokens"
name = "Tokens"
meter = "tokens"
price = { model = "per_unit", amount = "0.01" }

[[customers]]
slug = "ada"
name = "Ada"
currency = "EUR"
time_zone = "Europe/Berlin"
subjects = ["ada-app"]
"""


def events() -> list[dict[str, Any]]:
    """100 tokens at each noon in Berlin, 1,000 in January's last microsecond, 1,000 right after."""
    noon = datetime(2025, 1, 1, 12, tzinfo=BERLIN)
    used = [(noon + timedelta(days=day), 100) for day in range(365)]
    february = datetime(2025, 2, 1, tzinfo=BERLIN)
    used += [(february - timedelta(microseconds=1), 1000), (february, 1000)]
    return [
        {
            "specversion": "1.0",
            "id": f"e{number}",
            "source": "test",
            "type": "llm",
            "subject": "ada-app",
            "time": at.isoformat(),
            "data": {"n": quantity},
        }
        for number, (at, quantity) in enumerate(used)
    ]


def test_a_year_of_usage_is_walked_in_a_minute_and_killed_on_the_way(
    world: World, tmp_path: Path
) -> None:
    url, worker = world.ingest(), world.worker("a")

    def tollbook(*arguments: str) -> Any:
        environ = world.endpoints.as_environment()
        found = CliRunner().invoke(build_app(), [*arguments, "--json"], env=environ)
        assert found.exit_code == 0, (found.output, found.exception)
        return json.loads(found.stdout)

    mine = ("--tenant", "trial")
    made = tollbook("sandbox", "create", "trial", "--at", NEW_YEAR.isoformat())
    file = tmp_path / "trial.toml"
    file.write_text(FILE)
    tollbook("apply", str(file))
    sold = tollbook("subscriptions", "create", "sub", "ada", "standard", *mine)
    assert datetime.fromisoformat(sold["start"]) == NEW_YEAR

    time.sleep(2)  # a new key is known within about a second
    with httpx.Client(timeout=60) as client:
        assert post(client, url, made["api_key"], events())
    world.wait_until_proved(worker.start, seconds=200)

    began = monotonic_seconds()
    to = ("--to", "2026-01-01T00:00:00+01:00")
    walking = world.process("walk", "sandbox", "advance", *to, *mine)
    deadline = began + 60
    while not tollbook("invoices", "list", *mine):
        assert monotonic_seconds() < deadline, walking.read_log()
        time.sleep(0.1)
    walking.signal(signal.SIGKILL)
    time.sleep(0.5)  # until Postgres knows that nobody holds the walk any more
    found = tollbook("sandbox", "advance", *to, *mine)
    assert (found["reached"], found["parked"]) == (True, [])
    assert monotonic_seconds() - began < 60

    invoices = tollbook("invoices", "list", *mine)
    # A fee of 49.00, 1.00 for each day, and 10.00 on either side of the end of January.
    extra = {1: 10, 2: 10}
    assert [each["total"]["amount"] for each in invoices] == [
        f"{49 + monthrange(2025, month)[1] + extra.get(month, 0)}.00" for month in range(1, 13)
    ]
    assert [each["number"] for each in invoices] == [
        f"SANDBOX-INV-{number:06}" for number in range(1, 13)
    ]
    midnights = [
        datetime(2025 + month // 12, month % 12 + 1, 1, tzinfo=BERLIN) for month in range(1, 13)
    ]
    assert [datetime.fromisoformat(each["issued_at"]) for each in invoices] == midnights
    again = tollbook("sandbox", "advance", *to, *mine)
    assert again["happened"] == []
