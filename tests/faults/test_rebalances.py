"""Workers that join and leave every five seconds: every partition has new owners all the time."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import pytest

from core.clock import monotonic_seconds
from tests.faults.arena import Arena
from tests.faults.lane import Lane, Shape, open_lane

SECONDS = float(os.environ.get("TOLLBOOK_REBALANCE_SECONDS", "20"))
EVERY_SECONDS = 5.0
EVENTS_A_TURN = 20_000

pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.postgres]


@pytest.mark.req("STR-10")
def test_a_rebalance_every_five_seconds_changes_no_figure(
    arena: Arena, seed: int, tmp_path: Path
) -> None:
    turns = int(SECONDS / EVERY_SECONDS)
    shape = Shape(seed, EVENTS_A_TURN * turns, turns, partitions=4, chunk_records=8)
    with open_lane(arena, shape, tmp_path / "lane") as lane:
        lane.first.start()
        lane.first.wait_for(r"assigned partitions \[\d")
        for number in range(turns):
            until = monotonic_seconds() + EVERY_SECONDS
            lane.feed()
            _turn(lane, number)
            ended = lane.first.wait_ended(until - monotonic_seconds())
            assert ended is None, lane.first.read_log()[-3000:]
        assignments = lane.first.read_log().count("assigned partitions [")
        assert assignments > turns / 3, "it was hardly ever given other partitions"
        lane.settle()
        lane.check()


def _turn(lane: Lane, number: int) -> None:
    """The second worker joins, which may take its time, or leaves: in order, or killed."""
    second = lane.second
    if not second.alive():
        second.start()
        second.wait_for(r"assigned partitions \[\d")
        return
    ways = (signal.SIGTERM, signal.SIGKILL)
    second.signal(random.Random(f"{lane.shape.seed} {number}").choice(ways))
