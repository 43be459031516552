from __future__ import annotations

from pathlib import Path

from tests.benchmarks.running import run_benchmark


def test_every_event_of_the_client_arrives_once_in_both_modes(tmp_path: Path) -> None:
    few = ("--events", "4000", "--rounds", "1", "--no-gates")
    found = run_benchmark("bench_client", None, tmp_path, *few)
    assert found["problems"] == []
    ways = [(run["mode"], run["way"]) for run in found["runs"]]
    assert ways == [(mode, way) for mode in ("memory", "spool") for way in ("client", "baseline")]
    assert [run.get("accepted") for run in found["runs"]] == [4_400, None, 4_400, None]
    assert len(found["gates"]) == 4
    assert all(figure > 0 for figure in found["figures"].values())
