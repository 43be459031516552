from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.bench_scaling import figures
from benchmarks.graphs import Panel, draw
from infra.local.stack import LocalStack
from tests.benchmarks.running import run_benchmark

CPU_TIMES_MAX = 3
"""Far above the gate of the benchmark: here the events are few and the machine is shared."""


@pytest.mark.slow
@pytest.mark.req("SCL-04")
def test_one_two_and_four_workers_share_the_log_and_count_every_event_once(
    stack: LocalStack, tmp_path: Path
) -> None:
    graph = tmp_path / "scaling.svg"
    few = ("--events", "40000", "--graph", str(graph), "--no-gates")
    found = run_benchmark("bench_scaling", stack, tmp_path, *few)
    assert found["problems"] == []
    assert [run["workers"] for run in found["runs"]] == [1, 2, 4]
    for run in found["runs"]:
        assert (run["events"], run["differences"]) == (40_000, [])
        assert sorted(part for share in run["partitions"] for part in share) == [0, 1, 2, 3]
        assert len({len(share) for share in run["partitions"]}) == 1
        assert run["events_per_second"] > 0
    alone, *more = (run["cpu_seconds_per_million_events"]["workers"] for run in found["runs"])
    assert max(more) < CPU_TIMES_MAX * alone
    assert ET.parse(graph).getroot().tag.endswith("svg")


def test_what_the_cores_allow_bounds_what_is_asked_of_more_workers() -> None:
    def run(workers: int, rate: float, cpu: float) -> dict[str, object]:
        spent = {"workers": cpu / 2, "all": cpu}
        return {
            "workers": workers,
            "events_per_second": rate,
            "cpu_seconds_per_million_events": spent,
        }

    found = figures([run(1, 100_000, 10), run(2, 180_000, 10.5), run(4, 190_000, 11)], cores=2)
    assert found["2 workers: events/s, of what the cores allow"] == pytest.approx(0.9)
    assert found["4 workers: events/s, of what the cores allow"] == pytest.approx(0.95)
    assert found["4 workers: CPU per event, times that of 1"] == pytest.approx(1.1)


def test_a_graph_shows_every_value_and_place() -> None:
    drawn = draw("workers", ["1", "2"], Panel("rate", {"": [10, 25]}), Panel("cpu", {"a": [1, 2]}))
    root = ET.fromstring(drawn)
    tags = [each.tag.partition("}")[2] for each in root.iter()]
    assert tags.count("circle") == 4
    assert tags.count("polyline") == 2
    assert {"rate", "cpu", "workers", "25"} <= {each.text for each in root.iter()}
