from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.bench_index import differences, missed

LIMIT_SECONDS = 300


@pytest.mark.slow
def test_all_stores_say_the_same_and_the_figures_are_stored(tmp_path: Path) -> None:
    stored = tmp_path / "index.json"
    done = subprocess.run(
        [
            sys.executable, "-m", "benchmarks.bench_index", "--keys", "200000", "--restored", "0",
            "--no-gates", "--json", "--results", str(stored),
        ],
        capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == json.loads(stored.read_text(encoding="utf-8"))
    assert [run["store"] for run in found["runs"]] == ["index", "set", "rocksdict"]
    assert len({run["verdicts"] for run in found["runs"]}) == 1
    assert {run["keys"] for run in found["runs"]} == {262_144 - 3 * 655}


def run(store: str, rate: int, verdicts: str = "a", size: float = 30.0) -> dict[str, object]:
    return {
        "store": store, "events": 100_000_000, "verdicts": verdicts, "bytes_per_key": size,
        "events_per_cpu_second": rate, "pause_seconds_max": 0.1,
    }  # fmt: skip


def test_another_verdict_and_a_missed_gate_are_found() -> None:
    good = [run("index", 9_000_000), run("set", 4_000_000), run("rocksdict", 400_000)]
    assert differences(good) == []
    assert missed(good, {"clickhouse": {"keys_per_second": 3_000_000}}) == []
    assert differences([*good, run("rocksdict", 1, verdicts="b")]) != []
    for worse in (run("index", 7_000_000), run("index", 9_000_000, size=33.0)):
        assert len(missed([worse, *good[1:]], {})) == 1
    assert len(missed([good[0], run("set", 9_500_000), good[2]], {})) == 1
    assert len(missed([*good[:2], run("rocksdict", 2_000_000)], {})) == 1
    assert len(missed(good, {"clickhouse": {"keys_per_second": 2_999_999}})) == 1
