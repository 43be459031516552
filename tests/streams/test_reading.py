"""Where seeking and reading cross, a partition is sought until its start comes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from faust.types import TP

from streams import reading
from streams.reading import Reading

PARTITION = TP("events", 3)
AGAIN_SECONDS = 0.01
_LONG = 30.0


class CrossingConsumer:
    """Faust's, of which each of the first seeks crosses a read: nothing comes of it."""

    def __init__(self, made: Reading, crossed: int) -> None:
        self._made, self._crossed = made, crossed
        self.seeks: list[tuple[TP, int]] = []

    async def seek(self, partition: TP, offset: int) -> None:
        self.seeks.append((partition, offset))
        if len(self.seeks) == 1:
            raise RuntimeError("not assigned")
        if len(self.seeks) > self._crossed:
            lanes: dict[int, Any] = self._made._lanes
            lanes[partition.partition] = ("a lane", offset + 1)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Reading:
    """What a worker holds, without the servers that it would ask."""
    monkeypatch.setattr(reading, "SEEK_SECONDS", AGAIN_SECONDS)
    made = Reading.__new__(Reading)
    made._starts, made._lanes, made._seeking = {3: 10}, {}, {}
    return made


def see(made: Reading, consumer: CrossingConsumer, offset: int) -> None:
    """A record before which the start of its partition did not come."""
    made._seek_again(consumer, PARTITION, made._starts.get(3), offset)


def test_a_start_is_sought_until_it_comes_without_another_record(made: Reading) -> None:
    async def work() -> None:
        consumer = CrossingConsumer(made, crossed=4)
        see(made, consumer, 74)
        see(made, consumer, 75)  # of the same crossing
        await asyncio.wait_for(made._seeking[3], _LONG)
        assert made._seeking == {}
        assert consumer.seeks == [(PARTITION, 10)] * 5

    asyncio.run(work())


def test_records_of_an_earlier_assignment_seek_nothing(made: Reading) -> None:
    async def work() -> None:
        consumer = CrossingConsumer(made, crossed=0)
        see(made, consumer, 9)
        made._starts.clear()
        see(made, consumer, 74)
        await asyncio.sleep(3 * AGAIN_SECONDS)
        assert consumer.seeks == []

    asyncio.run(work())


def test_a_rebalance_ends_the_seeking(made: Reading) -> None:
    async def work() -> None:
        consumer = CrossingConsumer(made, crossed=1_000_000)
        see(made, consumer, 74)
        await asyncio.sleep(3 * AGAIN_SECONDS)
        made.drop_lanes()
        before = len(consumer.seeks)
        await asyncio.sleep(5 * AGAIN_SECONDS)
        assert len(consumer.seeks) <= before + 1

    asyncio.run(work())
