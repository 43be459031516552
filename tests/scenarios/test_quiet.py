"""Partitions without records: their log time stands still, and so does everything made of it."""

from __future__ import annotations

import random
import signal
from contextlib import closing
from typing import Any

import httpx
import pytest

from core.clock import SystemClock
from core.events import event_key, partition_of
from streams.lag import read_lag
from tests.scenarios.traffic import make_event
from tests.scenarios.world import World, post
from usage.reader import UsageReader

pytestmark = pytest.mark.slow


def events_of(world: World, partition: int, count: int, first: int) -> list[dict[str, Any]]:
    """Events whose keys belong to one partition."""
    found: list[dict[str, Any]] = []
    rng, number = random.Random(first), first
    while len(found) < count:
        event = make_event(number, rng)
        key = event_key(str(world.tenant_id), event["source"], event["id"])
        if partition_of(key, 4) == partition:
            found.append(event)
        number += 1
    return found


def state(world: World) -> tuple[dict[str, int], dict[int, int], dict[int, Any]]:
    """The cut, the lag and the newest log time of each partition."""
    with closing(UsageReader(world.endpoints.clickhouse)) as reader:
        cut = reader.cut().offsets
    lag = {each.partition: each.lag_records for each in read_lag(world.endpoints, SystemClock())}
    times = world.rows(
        "SELECT partition, max(log_time) FROM stream_ledger FINAL WHERE level = 0 GROUP BY 1"
    )
    return dict(cut), lag, {int(partition): at for partition, at in times}


def test_a_quiet_partition_keeps_its_cut_its_time_and_its_keys(world: World) -> None:
    url, worker = world.ingest(), world.worker("a")
    early = events_of(world, 0, 5, first=0)
    with httpx.Client(timeout=60) as client:
        for event in early:
            post(client, url, world.api_key, [event])
        world.wait_until_proved(worker.start, seconds=300)
        cut, lag, times = state(world)
        assert cut == {"1/0": 5}
        assert lag == dict.fromkeys(range(4), 0), "three partitions never had a record"

        for round_number in range(3):
            for event in events_of(world, 1, 4, first=1000 * (round_number + 1)):
                post(client, url, world.api_key, [event])
            worker.signal(signal.SIGKILL)
            world.wait_until_proved(worker.start, seconds=300)
        later_cut, lag, later_times = state(world)
        assert later_cut == {"1/0": 5, "1/1": 12}
        assert lag == dict.fromkeys(range(4), 0)
        assert later_times[0] == times[0], "log time is that of the partition's own records"
        assert later_times[1] > times[0]

        post(client, url, world.api_key, [early[0]])
        world.wait_until_proved(worker.start, seconds=300)
    totals = world.verify().totals
    assert (totals["accepted"], totals["duplicates"]) == (17, 1)
    assert state(world)[2][0] > times[0]
