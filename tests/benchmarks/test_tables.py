from __future__ import annotations

import json
from pathlib import Path

from benchmarks.figures import Bound, Outcome, conclude
from benchmarks.tables import section


def outcome(value: float, *differences: str) -> Outcome:
    bounds = (Bound("rate", least=10), Bound("late, s", most=2))
    figures = {"rate": value, "late, s": 1.5, "memory": 1}
    return Outcome("some", [{"run": "a"}], figures, bounds, differences)


def test_a_figure_below_its_gate_fails_unless_gates_are_off(tmp_path: Path) -> None:
    stored = tmp_path / "results" / "some.json"
    assert not conclude(outcome(10), stored, gates=True, as_json=False)
    assert conclude(outcome(9), stored, gates=True, as_json=False)
    assert json.loads(stored.read_text())["problems"] == ["rate: at least 10, reached 9"]
    assert not conclude(outcome(9), stored, gates=False, as_json=False)
    assert conclude(outcome(10, "it differs"), stored, gates=False, as_json=False)


def test_figures_above_their_most_fail() -> None:
    bound = Bound("late, s", most=2)
    assert bound.holds(2)
    assert not bound.holds(2.1)
    assert str(bound) == "late, s: at most 2"


def test_stored_figures_are_shown_as_tables(tmp_path: Path) -> None:
    stored = tmp_path / "some.json"
    conclude(outcome(12_345.6, "it differs"), stored, gates=False, as_json=False)
    lines = list(section("some", json.loads(stored.read_text())))
    assert lines[0] == "### some"
    assert "| rate: at least 10 | 12,346 |" in lines
    assert "| memory | 1 |" in lines
    assert "- failed: it differs" in lines


def test_runs_without_figures_are_shown_row_by_row() -> None:
    machine = {"cores": 2, "cpu": "x", "memory_bytes": 2**31}
    runs = [{"store": "set", "rate": 5, "more": {}}, {"store": "index", "rate": 1_000, "more": {}}]
    found = {
        "measured_at": "now", "commit": "c", "machine": machine, "runs": runs,
    }  # fmt: skip
    assert "| index | 1,000 |" in list(section("b", found))
