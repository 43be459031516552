"""Derived tables dropped and made again: from the log, or from the stored events."""

from __future__ import annotations

import random
import time

import pytest

from tests.scenarios.derived import (
    all_bytes,
    assert_equal,
    catalogs,
    check,
    end_workers,
    finish,
    new_meter,
    set_chunks,
)
from tests.scenarios.test_log_loss import forget
from tests.scenarios.traffic import make_batches
from tests.scenarios.world import Sender, World

pytestmark = pytest.mark.slow


def run(world: World, *arguments: str) -> str:
    process = world.process(f"{'-'.join(arguments)}-{len(world.processes)}", *arguments)
    return finish(process)


@pytest.mark.req("ING-15")
def test_tables_dropped_and_rebuilt_from_kafka_are_byte_equal(world: World, seed: int) -> None:
    rng, url = random.Random(seed), world.ingest()
    set_chunks(world, 2)
    workers = [world.worker("a"), world.worker("b")]
    sender = Sender(url, world.api_key, make_batches(rng, 5_000, batch=30), seconds=12)
    sender.start()
    time.sleep(6)
    new_meter(world, "by-model", "usage.tokens")
    journal = sender.finish()
    world.wait_until_proved(lambda: None, seconds=300)

    assert "stream workers are running: a, b" in run(world, "rebuild", "--yes")
    end_workers(workers)
    run(world, "compact")
    before = all_bytes(world)
    assert {level: versions for level, versions in catalogs(world).items() if level < 2} == {
        0: {3}, 1: {3},
    }  # fmt: skip
    assert all(before[name] for name in ("usage_events", "meter_usage", "stream_conflicts"))

    shown = run(world, "rebuild", "--yes")
    assert "Everything that is complete has catalog version 3" in shown, shown
    assert_equal(all_bytes(world), before)
    check(world, journal, {"by-model": "tokens"}, f"--seed {seed}")

    forget(world, dict.fromkeys(world.log_ends(), 1))
    refused = run(world, "rebuild", "--yes")
    assert "the log does not reach back to its beginning: 1/0 begins at offset 1" in refused
    assert_equal(all_bytes(world), before)
    shown = run(world, "rebuild", "--usage-only", "--yes")
    assert "roll-ups of level 1 made" in shown, shown
    assert_equal(all_bytes(world), before)
