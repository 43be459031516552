"""A record whose processing raises an error: isolated, its partition halted, decided, passed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from catalog.metering.aggregate import compile_meters
from core.clock import SystemClock, monotonic_seconds
from core.endpoints import Endpoints
from core.events import event_key, partition_of
from db.clickhouse import connect_clickhouse
from streams import lane as lane_module
from streams.decisions import REJECTED, DecisionLog, decide
from streams.generation import Generation, ensure_generation
from streams.ledger import load_ledger
from streams.letters import Filter, read_letters
from streams.older_keys import OlderKeys
from streams.poison import LaneGuard
from streams.records import Record, decode
from streams.runner import Delivery, LaneRunner
from streams.settings import StreamSettings
from streams.sink import Sink
from streams.step_marks import StepWatch
from tests.streams.log_oracle import Sent
from tests.streams.logs import START, START_MS, TENANTS, envelope

BAD = 3
WAIT_SECONDS = 120.0


def records(count: int) -> Iterator[Record]:
    """Envelopes of one event each that belong to partition 0 of 4."""
    number = offset = 0
    while offset < count:
        number += 1
        if partition_of(event_key(TENANTS[0], "s", str(number)), 4) == 0:
            sent = Sent(TENANTS[0], "s", str(number), "call", "u", START, "{}")
            yield Record(offset, START_MS, envelope((sent,)))
            offset += 1


class Life:
    """One worker's lane over partition 0, from a start to its end."""

    def __init__(self, installation: Endpoints, folder: Path, bound: Generation) -> None:
        self.failures: list[BaseException] = []
        self.flows: list[bool] = []
        settings = StreamSettings(installation, "a", folder, flush_interval_seconds=0.05)
        guard = LaneGuard(
            StepWatch(folder / "steps", 1), DecisionLog(installation, 1, "a", SystemClock()), 0
        )
        self.pool = ThreadPoolExecutor(1)
        self.lane = LaneRunner(
            settings, Sink(installation, bound), bound, 0, self.pool,
            lambda: compile_meters([], 0), self.failures.append, guard, self.flows.append,
            OlderKeys(bound),
        )  # fmt: skip

    async def until(self, done: Callable[[], bool]) -> None:
        deadline = monotonic_seconds() + WAIT_SECONDS
        while not done():
            assert monotonic_seconds() < deadline
            await asyncio.sleep(0.05)

    async def end(self) -> None:
        self.lane.stop()
        await self.lane._task
        self.pool.shutdown()


def covered(endpoints: Endpoints, bound: Generation) -> int:
    with closing(connect_clickhouse(endpoints.clickhouse)) as client:
        return load_ledger(client, bound, 0).covered


@pytest.mark.timed
def test_a_record_that_raises_halts_its_partition_and_holds_up_no_other(
    installation: Endpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = ensure_generation(installation)
    sent = list(records(700))

    def broken(some: list[Record], *arguments: Any) -> Any:
        if any(record.offset == BAD and record.rejected is None for record in some):
            raise ValueError("a bug of ours")
        return decode(some, *arguments)

    monkeypatch.setattr(lane_module, "decode", broken)

    async def fails() -> None:
        life = Life(installation, tmp_path, bound)
        for record in sent[:8]:
            await life.lane.put(Delivery(record, lambda: None))
        await life.until(lambda: bool(life.failures))
        assert str(life.failures[0]) == "a bug of ours"
        await life.end()

    async def halts() -> None:
        life = Life(installation, tmp_path, bound)
        for record in sent[:8]:
            await life.lane.put(Delivery(record, lambda: None))
        await life.until(lambda: life.lane.halted_at is not None)
        assert life.lane.halted_at == BAD
        began = time.monotonic()
        for record in sent[8:]:  # more than a step takes: what is on its way must not wait
            await life.lane.put(Delivery(record, lambda: None))
        assert time.monotonic() - began < 1.0
        await life.until(lambda: False in life.flows)
        assert covered(installation, bound) == BAD
        decide(installation, SystemClock(), (1, 0, BAD), REJECTED, "our bug", "me")
        await life.until(lambda: covered(installation, bound) == len(sent))
        assert life.flows[-1]
        assert life.lane.halted_at is None
        assert not life.failures
        await life.end()

    asyncio.run(fails())
    assert covered(installation, bound) == 0
    asyncio.run(fails())
    assert covered(installation, bound) == BAD, "the records before it were processed one by one"
    asyncio.run(halts())
    (letter,) = read_letters(installation, Filter(), 9)
    assert (letter.position, letter.reason) == (f"1/0/{BAD}", "our bug")
    assert letter.body["value_bytes"] == len(sent[BAD].value or b"")
