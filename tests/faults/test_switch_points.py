"""A switch to another number of partitions, with a worker that dies at each of its points."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest
from confluent_kafka import Producer

from core.clock import monotonic_seconds
from core.faults import EXIT_CODE, POINTS
from streams.switch import begin_generation
from tests.faults.arena import Arena
from tests.faults.kinds import WORKER_POINTS
from tests.faults.workers import ForkedWorker
from tests.scenarios.test_generations import envelopes, send, wait_until_read
from tests.scenarios.traffic import make_batches
from tests.scenarios.world import World

SWITCH_POINTS = tuple(
    point for point in POINTS if point not in WORKER_POINTS and not point.startswith("ingest_")
)
_REACH_SECONDS = 60.0

pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.postgres]


def test_a_worker_that_dies_at_every_point_of_a_switch_counts_each_event_once(
    arena: Arena, seed: int, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    with arena.installer.installation() as endpoints:
        world = World(endpoints, tmp_path)
        worker = ForkedWorker("a", arena.nursery, arena.through(endpoints), tmp_path)
        try:
            url = world.ingest()
            batches = make_batches(rng, 3_000)
            journal = send(world, url, batches[:3])
            written = envelopes(world)
            begin_generation(endpoints, 3, follow_seconds=0)
            journal = send(world, url, batches[3:], journal)
            producer = Producer({"bootstrap.servers": endpoints.kafka, "log_level": 0})
            for point in SWITCH_POINTS:
                for partition, value in written:  # late, behind the end: copies of what counts
                    topic = endpoints.usage_events_topic(1)
                    producer.produce(topic, value, partition=partition)
                producer.flush(10)
                die_at(worker, point)
            assert set(worker.points_reached()) == set(SWITCH_POINTS)

            def tend() -> None:
                if not worker.alive():
                    worker.start()

            wait_until_read(world, tend)
            world.check(journal, f"--seed {seed}")
        finally:
            world.end()
            worker.end()


def test_a_worker_that_slept_through_a_switch_starts_in_the_next_generation(
    arena: Arena, seed: int, tmp_path: Path
) -> None:
    """The broker still knows it by its name, with partitions of the topic that it read before."""
    with arena.installer.installation() as endpoints:
        world = World(endpoints, tmp_path)
        sleeper = ForkedWorker("a", arena.nursery, endpoints, tmp_path)
        try:
            url, batches = world.ingest(), make_batches(random.Random(seed), 2_000)
            sleeper.start()
            twin = world.process("twin", "serve", "streams", "--worker-id", "b", "--group", "twin")
            twin.wait_for(r"assigned partitions \[0, 1, 2, 3\]")
            assert sleeper.wait_for(r"assigned partitions \[0, 1, 2, 3\]")
            journal = send(world, url, batches[:1])
            sleeper.signal(signal.SIGSTOP)
            begin_generation(endpoints, 6, follow_seconds=0)
            twin.wait_for("reads generation 2 from now on")
            sleeper.signal(signal.SIGKILL)
            twin.signal(signal.SIGKILL)
            sleeper.start()
            journal = send(world, url, batches[1:], journal)
            wait_until_read(world, lambda: None)
            world.check(journal, f"--seed {seed}")
        finally:
            world.end()
            sleeper.end()


def die_at(worker: ForkedWorker, point: str) -> None:
    """Start the worker until it dies at the point: before that it may end to begin anew."""
    deadline = monotonic_seconds() + _REACH_SECONDS
    while True:
        worker.start(f"{point}:1")
        code = worker.wait_ended(deadline - monotonic_seconds())
        assert code is not None, f"{point} was not reached\n{worker.read_log()[-3000:]}"
        if code == EXIT_CODE:
            return
        assert monotonic_seconds() < deadline, worker.read_log()[-3000:]
