from __future__ import annotations

from pathlib import Path

from rating.prices import MODELS
from tests.benchmarks.running import run_benchmark


def test_every_model_and_job_is_rated_and_the_loop_finds_the_same_amounts(tmp_path: Path) -> None:
    few = ("--rows", "20000", "--rounds", "1", "--no-gates")
    found = run_benchmark("bench_rating", None, tmp_path, *few)
    assert found["problems"] == []
    models = [run for run in found["runs"] if "model" in run]
    assert [run["model"] for run in models] == [model.name for model in MODELS]
    for run, model in zip(models, MODELS, strict=True):
        rated = "events" if model.over_events else "lines"
        assert run[rated] == 20_000
        assert run[f"{rated}_per_s"] > 0
    assert found["figures"]["graduated: Decimal loop, lines/s"] > 0
    around, again, sliced = (run for run in found["runs"] if "job" in run)
    assert around["lines"] == 20_000
    assert (again["customers"], again["lines"]) == (1_000, 36_000)
    assert again["changed_minor"] != 0
    assert [size["lines"] for size in sliced["sizes"]] == [20_000, 80_000]
    assert sliced["lines_of_a_slice"] == 10_000
