"""A meter created while events flow gets its whole history, whoever knows of it and when."""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import replace

import pytest

from catalog.snapshot_content import CatalogSnapshot
from core.levels import ROLL
from infra.local.child import Child
from infra.local.ports import free_port
from streams.jobs.compact import compact
from streams.rebuild.rebuild import drop_usage
from tests.scenarios.derived import (
    all_bytes,
    assert_equal,
    catalogs,
    check,
    end_workers,
    new_meter,
    set_chunks,
    wait_until,
)
from tests.scenarios.test_log_loss import forget
from tests.scenarios.traffic import make_batches
from tests.scenarios.world import Sender, World

pytestmark = pytest.mark.slow
CHUNK = 2


def worker_without_postgres(world: World, name: str) -> Child:
    """A worker that knows the catalog it has on disk, and never another one."""
    first = world.worker(name)
    first.wait_for(r"assigned partitions")
    first.signal(signal.SIGKILL)
    world.processes.remove(first)
    nowhere = replace(world.endpoints, postgres=f"postgresql://x:x@127.0.0.1:{free_port(set())}/x")
    made = Child(
        name,
        ["serve", "streams", "--worker-id", name, "--state-dir", str(world.folder / "state")],
        nowhere, world.folder, os.environ,
    )  # fmt: skip
    world.processes.append(made)
    return made


def test_streamed_and_back_filled_rows_are_equal_whenever_the_meter_came(
    world: World, seed: int
) -> None:
    """Between two flushes, during a rebalance, and under a worker that does not know it yet."""
    rng, url = random.Random(seed), world.ingest()
    set_chunks(world, CHUNK)
    stale, fresh = worker_without_postgres(world, "stale"), world.worker("fresh")
    sender = Sender(url, world.api_key, make_batches(rng, 4_000, batch=20), seconds=24)
    fresh.wait_for(r"assigned partitions \[0, 1, 2, 3\]")
    sender.start()
    time.sleep(3.5)
    new_meter(world, "between-flushes", "usage.tokens")
    time.sleep(4)
    stale.start()
    new_meter(world, "during-a-rebalance", None)
    stale.wait_for(r"assigned partitions \[\d")
    time.sleep(4)
    fresh.signal(signal.SIGKILL)  # the one without the new meters takes everything over
    journal = sender.finish()
    world.wait_until_proved(lambda: None, seconds=300)
    found = catalogs(world)[0]
    assert min(found) == 2, f"the stale worker wrote nothing: {found}"

    end_workers([stale])
    fresh.start()
    roll_ups = sum(end // (CHUNK * ROLL) for end in world.log_ends().values())
    made = "SELECT count() FROM stream_ledger FINAL WHERE level = 1 AND catalog_version = 4"
    wait_until(world, lambda: world.rows(made) == [(roll_ups,)])
    assert catalogs(world) == {0: {4}, 1: {4}}
    end_workers([fresh])
    twins = {"between-flushes": "tokens", "during-a-rebalance": "requests"}
    check(world, journal, twins, f"--seed {seed}")

    streamed = all_bytes(world)
    forget(world, world.log_ends())  # history comes from the stored events, not from the log
    drop_usage(world.endpoints)
    compact(world.endpoints.clickhouse, CatalogSnapshot(4, tuple(world.meters)))
    assert_equal(all_bytes(world), streamed)
