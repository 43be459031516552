from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.bench_ingest import NULL, OURS, PLAIN
from infra.local.stack import LocalStack
from tests.benchmarks.running import run_benchmark


@pytest.mark.slow
def test_every_server_takes_every_event(stack: LocalStack, tmp_path: Path) -> None:
    small = ("--events", "10000", "--slices", "1", "--no-gates")
    found = run_benchmark("bench_ingest", stack, tmp_path, *small)
    assert found["problems"] == []
    assert [(run["server"], run["batch_events"]) for run in found["runs"]] == [
        (server, batch) for batch in (1, 100, 1_000) for server in (PLAIN, NULL, OURS)
    ]
    assert all(run["events_per_core_second"] > 0 for run in found["runs"])
    assert found["figures"]["1: p99 at 70 % of saturation, ms"] > 0
