from __future__ import annotations

from pathlib import Path

import pytest

from infra.local.stack import LocalStack
from tests.benchmarks.running import run_benchmark


@pytest.mark.slow
def test_every_check_is_right_and_fresh(stack: LocalStack, tmp_path: Path) -> None:
    few = ("--customers", "5", "--checks", "300", "--no-gates")
    found = run_benchmark("bench_entitlements", stack, tmp_path, *few)
    assert found["problems"] == []
    [run] = found["runs"]
    assert (run["customers"], run["checks"]) == (5, 300)
    assert all(figure > 0 for figure in found["figures"].values())
