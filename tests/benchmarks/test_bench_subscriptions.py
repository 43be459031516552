from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.crowd import AS_OF, due_periods_of
from infra.local.stack import LocalStack
from tests.benchmarks.running import run_benchmark


def test_a_number_tells_its_due_periods() -> None:
    """165 begins on the 26th in Berlin, whose clocks change on 31 March; 185 is paused."""
    edges = [
        datetime(2024, 3, 25, 23, tzinfo=UTC),
        datetime(2024, 4, 25, 22, tzinfo=UTC),
        datetime(2024, 5, 25, 22, tzinfo=UTC),
        datetime(2024, 6, 25, 22, tzinfo=UTC),
    ]
    spans = list(pairwise(edges))
    late = list(due_periods_of(165))
    assert [made.period for made in late] == spans
    assert [made.billed for made in late] == spans
    [paused] = due_periods_of(185)
    assert paused.billed is None
    assert paused.period[1] <= AS_OF


@pytest.mark.slow
def test_every_due_period_is_claimed_once_and_all_is_created(
    stack: LocalStack, tmp_path: Path
) -> None:
    few = ("--subscriptions", "3000", "--creates", "100", "--no-gates")
    found = run_benchmark("bench_subscriptions", stack, tmp_path, *few)
    assert found["problems"] == []
    runs = {run["run"]: run for run in found["runs"]}
    # 600 are due; those of the 54 that 55 divides have two more.
    for name in ("claimed", "moved on", "moved on by two"):
        assert (runs[name]["subscriptions"], runs[name]["periods"]) == (600, 708), name
    assert len(runs["moved on by two"]["find_seconds"]) == 2
    assert runs["created"]["requests"] == 100
    assert len(runs["plans"]["answers"]) > 20
    assert all(figure > 0 for figure in found["figures"].values())
