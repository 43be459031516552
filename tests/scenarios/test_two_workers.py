"""Two stream workers share the partitions; one joins, leaves, freezes and wakes up again."""

from __future__ import annotations

import random
import signal
import time

import pytest

from core.clock import monotonic_seconds
from tests.scenarios.traffic import make_batches
from tests.scenarios.world import Sender, World

SESSION_SECONDS = 6.0


@pytest.mark.slow
@pytest.mark.req("STR-10")
def test_a_worker_that_joins_leaves_and_freezes_changes_no_figure(world: World, seed: int) -> None:
    rng = random.Random(seed)
    first = world.worker("a")
    sender = Sender(world.ingest(), world.api_key, make_batches(rng, 60_000), seconds=35)
    sender.start()
    time.sleep(4)
    second = world.worker("b")
    second.wait_for(r"assigned partitions \[\d")
    time.sleep(2)
    second.signal(signal.SIGSTOP)  # frozen in the middle of whatever it does
    time.sleep(SESSION_SECONDS + 4)
    second.signal(signal.SIGCONT)  # a zombie: it goes on with what it held
    time.sleep(5)
    first.signal(signal.SIGTERM)  # leaves; the other one takes everything over
    time.sleep(2)

    def tend() -> None:
        second.start()

    journal = sender.finish()
    world.wait_until_proved(tend)
    world.check(journal, f"--seed {seed}")


@pytest.mark.slow
@pytest.mark.req("STR-07")
def test_two_owners_of_one_partition_write_the_same_rows(world: World, seed: int) -> None:
    """Both workers read everything: the second has a group, hence an assignment, of its own."""
    rng = random.Random(seed)
    first = world.worker("a")
    twin = world.process("twin", "serve", "streams", "--worker-id", "a", "--group", "twin")
    for worker in (first, twin):
        worker.wait_for(r"assigned partitions \[0, 1, 2, 3\]")
    sender = Sender(world.ingest(), world.api_key, make_batches(rng, 40_000), seconds=8)
    sender.start()
    journal = sender.finish()
    world.wait_until_proved(lambda: None)
    deadline = monotonic_seconds() + 30
    while not all(world.committed(group) for group in ("twin", world.endpoints.stream_group())):
        assert monotonic_seconds() < deadline, "one of them wrote no chunk: this shows nothing"
        time.sleep(0.5)
    world.check(journal, f"--seed {seed}")
