from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.whole_path import Seen
from infra.local.stack import LocalStack
from tests.benchmarks.running import run_benchmark


@pytest.mark.slow
def test_every_event_of_every_request_is_counted_once_and_dated(
    stack: LocalStack, tmp_path: Path
) -> None:
    found = run_benchmark("bench_path", stack, tmp_path, "--events", "8000", "--no-gates")
    assert found["problems"] == []
    assert [run["batch_events"] for run in found["runs"]] == [1_000, 100]
    for run in found["runs"]:
        assert run["accepted"] + run["duplicates"] == 8_000 + 8_000 + 4_000
        assert run["duplicates"] > 0
        full, half = run["full_load"], run["half_load"]
        assert (full["events"], half["events"]) == (8_000, 4_000)
        assert half["sent_per_second"] < full["sent_per_second"]
        assert 0 < half["freshness_seconds_p50"] <= half["freshness_seconds_p99"]
        assert {"client", "ingest", "worker"} <= full["cpu_seconds_per_million_events"].keys()


def test_an_event_is_visible_with_the_first_answer_that_covers_it() -> None:
    seen = Seen(micros=[1_000_000, 3_000_000], ends=[[1, 0], [2, 5]])
    arrivals = {
        "partition": np.array([0, 0, 1]),
        "offset": np.array([0, 1, 4], np.uint64),
        "received_us": np.array([500_000, 1_000_000, 0]),
        "many": np.array([97, 2, 1]),
    }
    assert seen.freshness(arrivals) == [0.5, 2.0]
