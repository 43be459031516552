"""Servers that go away for a while: nothing is lost, nothing is promised that was not done."""

from __future__ import annotations

import random
import time

import httpx
import pytest

from infra.local.stack import LocalStack
from tests.scenarios.traffic import Journal, make_batches
from tests.scenarios.world import Sender, World


@pytest.mark.slow
@pytest.mark.req("STR-04", "STR-09")
def test_events_wait_in_the_log_and_are_metered_without_ingest(world: World, seed: int) -> None:
    batches = make_batches(random.Random(seed), 5_000)
    journal = _send(world, world.ingest(), batches)
    assert world.rows("SELECT count() FROM usage_events") == [(0,)]
    world.end()  # from here on there is no HTTP server
    worker = world.worker("a")
    world.wait_until_proved(worker.start)
    world.check(journal, f"--seed {seed}")


@pytest.mark.slow
@pytest.mark.parametrize("part", ["clickhouse", "postgres"])
def test_a_database_that_is_down_only_delays(
    fragile_world: World, fresh_stack: LocalStack, seed: int, part: str
) -> None:
    world, rng = fragile_world, random.Random(seed)
    url = world.ingest()
    worker = world.worker("a")
    worker.wait_for("assigned partitions")
    sender = Sender(url, world.api_key, make_batches(rng, 20_000), seconds=10)
    sender.start()
    time.sleep(2)
    fresh_stack.kill(part)
    time.sleep(5)
    if part == "postgres":  # neither worker nor ingest needs it, even to start
        worker.end()
        worker.start()
        url = world.ingest("ingest-without-postgres")
        assert httpx.get(f"{url}/livez").status_code == httpx.codes.OK
    journal = sender.finish()  # all of it acknowledged while the part is down
    fresh_stack.start_part(part)
    world.wait_until_proved(worker.start)
    world.check(journal, f"--seed {seed} {part}")


@pytest.mark.slow
@pytest.mark.req("ING-02")
def test_without_kafka_nothing_is_accepted_and_service_comes_back_by_itself(
    fragile_world: World, fresh_stack: LocalStack, seed: int
) -> None:
    world, batches = fragile_world, make_batches(random.Random(seed), 3_000)
    url = world.ingest()
    worker = world.worker("a")
    journal = _send(world, url, batches[:2])
    fresh_stack.kill("kafka")
    refused = httpx.post(
        f"{url}/v1/events",
        json=batches[2],
        headers={
            "Authorization": f"Bearer {world.api_key}",
            "Content-Type": "application/cloudevents-batch+json",
        },
        timeout=60,
    )
    assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert int(refused.headers["Retry-After"]) >= 1
    fresh_stack.start_part("kafka")
    rest = _send(world, url, batches[2:])
    journal.first = {**rest.first, **journal.first}
    journal.acknowledged_copies += rest.acknowledged_copies
    world.wait_until_proved(worker.start)
    world.check(journal, f"--seed {seed}")


def _send(world: World, url: str, batches: list[list[dict[str, object]]]) -> Journal:
    sender = Sender(url, world.api_key, batches, seconds=0.1)
    sender.start()
    return sender.finish()
