"""200,000 events over HTTP while workers and the database are killed: each counted exactly once."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest

from infra.local.stack import LocalStack
from tests.scenarios.traffic import make_batches
from tests.scenarios.world import Sender, World

EVENTS = int(os.environ.get("TOLLBOOK_SCENARIO_EVENTS", "200000"))
KILLS = 8
SECONDS = 30.0


@pytest.mark.slow
@pytest.mark.req("STR-01", "STR-05", "STR-06", "STR-07")
def test_no_event_is_lost_or_counted_twice_while_processes_are_killed(
    fragile_world: World, fresh_stack: LocalStack, seed: int
) -> None:
    rng = random.Random(seed)
    world = fragile_world
    url = world.ingest()
    worker = world.worker("a")
    sender = Sender(url, world.api_key, make_batches(rng, EVENTS), SECONDS)
    moments = sorted(rng.uniform(0.5, SECONDS) for _ in range(KILLS))
    database_dies_at = rng.randrange(KILLS)
    sender.start()
    for number, (before, moment) in enumerate(zip([0.0, *moments], moments, strict=False)):
        time.sleep(moment - before)
        worker.start()
        worker.signal(signal.SIGKILL)
        if number == database_dies_at:
            fresh_stack.kill("clickhouse")
            fresh_stack.start_part("clickhouse")
        worker.start()
    journal = sender.finish()
    world.wait_until_proved(tend=worker.start)
    world.check(journal, f"--seed {seed}")
    assert worker.starts > KILLS
