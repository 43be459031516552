from __future__ import annotations

from pathlib import Path

import pytest

from infra.local.stack import LocalStack
from tests.benchmarks.running import run_benchmark


@pytest.mark.slow
def test_reader_scan_and_numbers_agree_while_inserts_run(stack: LocalStack, tmp_path: Path) -> None:
    few = ("--events", "50000", "--asks", "10", "--no-gates")
    found = run_benchmark("bench_reads", stack, tmp_path, *few)
    assert found["problems"] == []
    (run,) = found["runs"]
    assert run["events"] == 51_200, "two whole chunks in each partition"
    assert run["jobs"]["runs_by_level"] == {"0": 8}
    assert run["events_inserted_meanwhile"] > 0
    assert run["one_customer_ms"]["inserting"][1] >= run["one_customer_ms"]["inserting"][0] > 0
    assert run["all_customers"]["reader_seconds"] > 0
