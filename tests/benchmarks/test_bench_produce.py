from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.bench_produce import EACH, MADE, OURS, ROUNDS, TOOL
from infra.local.stack import LocalStack
from tests.benchmarks.running import run_benchmark


@pytest.mark.slow
def test_every_way_brings_every_event_into_kafka(stack: LocalStack, tmp_path: Path) -> None:
    found = run_benchmark("bench_produce", stack, tmp_path, "--events", "16000", "--no-gates")
    assert found["problems"] == []
    assert [(run["run"], run["events"]) for run in found["runs"]] == [
        (TOOL, 16_000), (EACH, 8_000), (MADE, 8_000), (OURS, 3_000),
    ] * ROUNDS  # fmt: skip
    assert all(run["megabytes_per_second"] > 0 for run in found["runs"])
