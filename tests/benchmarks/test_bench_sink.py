from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.running import run_benchmark


@pytest.mark.slow
def test_sink_and_engine_write_the_same_rows(tmp_path: Path) -> None:
    few = ("--events", "25600", "--rounds", "1", "--no-gates")
    found = run_benchmark("bench_sink", None, tmp_path, *few)
    assert found["problems"] == []
    events, usage = found["runs"]
    assert (events["run"], usage["run"]) == ("usage_events", "meter_usage")
    assert events["sink"]["rows"] == events["engine"]["rows"] > 20_000
    assert usage["sink"]["rows"] == usage["engine"]["rows"] > 0
    for run in found["runs"]:
        assert set(run["sink"]["cpu_seconds"]) == {"sink", "clickhouse"}
    assert len(found["gates"]) == 2
