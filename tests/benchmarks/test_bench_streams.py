from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from infra.local.stack import LocalStack

LIMIT_SECONDS = 900


def bench(stack: LocalStack, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.bench_streams", "--events", "20000", *arguments],
        env={**os.environ, **stack.endpoints().as_environment()},
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


@pytest.mark.slow
def test_all_runs_count_alike_and_a_missed_gate_fails_and_says_so(
    stack: LocalStack, tmp_path: Path
) -> None:
    stored = tmp_path / "streams.json"
    done = bench(stack, "--json-events", "2000", "--json", "--results", str(stored))
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found == json.loads(stored.read_text(encoding="utf-8"))
    assert any("at least 250,000 events/s, reached" in line for line in found["problems"])
    assert done.stderr.endswith("".join(f"failed: {line}\n" for line in found["problems"]))
    assert [run["events"] for run in found["runs"]] == [2_000, 2_000, 20_000, 20_000, 12_000]
    assert [run["differences"] for run in found["runs"]] == [[]] * 5
    assert all(run["events_per_second"] > 0 for run in found["runs"])
    for data in (run["data"] for run in found["runs"]):
        counts = data["accepted"] + data["duplicates"] + data["conflicts"]
        assert counts == data["events"]
    with psycopg.connect(stack.endpoints().postgres) as connection:
        left = connection.execute("SELECT datname FROM pg_database WHERE datname ~ '^bench_'")
        assert left.fetchall() == []


@pytest.mark.slow
def test_the_steps_of_the_stage_are_timed(stack: LocalStack) -> None:
    done = bench(stack, "--stages", "--json")
    assert done.returncode == 0, done.stderr
    seconds = json.loads(done.stdout)["seconds"]
    assert {"decode: Arrow", "decode: JSON paths", "judge", "totals", "writes"} <= seconds.keys()
    assert all(seconds[name] > 0 for name in ("decode: Arrow", "judge", "totals", "writes"))
