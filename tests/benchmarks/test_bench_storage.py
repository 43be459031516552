from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

LIMIT_SECONDS = 600


@pytest.mark.slow
def test_tables_and_levels_are_weighed_and_the_jobs_timed(tmp_path: Path) -> None:
    stored = tmp_path / "storage.json"
    done = subprocess.run(
        [
            sys.executable, "-m", "benchmarks.bench_storage", "--events", "28000", "--no-gates",
            "--json", "--results", str(stored),
        ],
        capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == json.loads(stored.read_text(encoding="utf-8"))
    small, large = found["runs"]
    assert (small["envelope_events"], large["envelope_events"]) == (100, 1000)
    for run in (small, large):
        tables = {(row["table"], row["level"]): row for row in run["tables"]}
        assert tables["usage_events", ""]["rows"] == run["accepted"]
        assert tables["usage_events", ""]["bytes_per_event"] > 20
        assert run["log_bytes_per_event"] > 20
        lanes, jobs = run["written_by_lanes"], run["written_by_jobs"]
        assert lanes["rows_inserted"] > 1, "each event, and the ledger"
        assert (jobs["rows_inserted"] > 0) == (("meter_usage", "0") in tables)
    assert small["runs_by_level"] == {"0": 4}, "one chunk of 6,400 events in each partition"
    assert large["runs_by_level"] == {}, "no chunk of 64,000 events is complete"
