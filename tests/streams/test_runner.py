from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

from core.endpoints import Endpoints
from streams import runner
from streams.older_keys import OlderKeys
from streams.poison import LaneGuard
from streams.records import Record
from streams.runner import Delivery, LaneRunner
from streams.settings import StreamSettings
from streams.sink import Sink
from tests.streams.logs import compiled, generation


class Panic(BaseException):
    """What a panic of compiled code looks like: no `Exception`."""


@pytest.mark.parametrize("error", [Panic("overflow"), ValueError("bug")], ids=["panic", "bug"])
def test_whatever_fails_in_a_lane_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: BaseException
) -> None:
    def fail(*_: Any) -> None:
        raise error

    async def run() -> list[BaseException]:
        failures: list[BaseException] = []
        settings = StreamSettings(Endpoints("k", "c", "p"), "a", tmp_path)
        with ThreadPoolExecutor(1) as pool:
            lane = LaneRunner(
                settings, cast("Sink", None), generation(), 0, pool, compiled, failures.append,
                cast("LaneGuard", None), lambda _: None, OlderKeys(generation()),
            )  # fmt: skip
            for offset in range(3):
                await lane.put(Delivery(Record(offset, 0, b""), lambda: None))
            await asyncio.sleep(0.2)
            lane.stop()
        return failures

    monkeypatch.setattr(runner, "open_lane", fail)
    assert asyncio.run(run()) == [error]
