from __future__ import annotations

from decimal import Decimal

import pytest

from benchmarks.checking import NAMED_MAX, compare
from benchmarks.events import Recount, Traffic
from benchmarks.measuring import Measurement
from benchmarks.report import Outcome
from benchmarks.running import Run

TRAFFIC = Traffic(4_000, "tenant")
Cells = dict[tuple[str, int, str], tuple[Decimal, int]]
CELLS: Cells = {("units", 0, "a"): (Decimal("1.50"), 2)}


def run(events_per_second: int, differences: list[str] | None = None) -> Run:
    took = Measurement(4_000, events_per_second, 1.0, 2.0, {"worker": 1.0}, {"worker": 1}, 0.0)
    return Run("a run", took, Recount(), differences or [])


@pytest.mark.parametrize(
    "found",
    [
        {},
        {("units", 0, "a"): (Decimal("1.51"), 2)},
        {("units", 0, "a"): (Decimal("1.50"), 3)},
        CELLS | {("units", 0, "b"): (Decimal(0), 0)},
    ],
)
def test_a_wrong_a_missing_and_a_surplus_cell_are_each_a_difference(found: Cells) -> None:
    assert len(compare(CELLS, found)) == 1


def test_equal_numbers_in_another_form_are_no_difference() -> None:
    assert compare(CELLS, {("units", 0, "a"): (Decimal("1.500000000000"), 2)}) == []


def test_many_differences_are_named_in_part_and_counted() -> None:
    found: Cells = {("units", 0, f"s{number}"): (Decimal(1), 1) for number in range(50)}
    lines = compare({}, found)
    assert len(lines) == NAMED_MAX + 1
    assert lines[-1] == "and 30 more"


@pytest.mark.parametrize(
    ("stage", "baseline", "failures"),
    [(200_000, 20_000, 0), (199_999, 10_000, 1), (300_000, 30_001, 1), (100_000, 20_000, 2)],
)
def test_a_missed_rate_or_ratio_fails_with_gates_only(
    stage: int, baseline: int, failures: int
) -> None:
    outcome = Outcome(run(stage), run(baseline), TRAFFIC, TRAFFIC)
    assert len(outcome.problems(gates=True)) == failures
    assert outcome.problems(gates=False) == []


def test_a_difference_on_either_side_always_fails() -> None:
    for stage, baseline in ((["wrong"], []), ([], ["wrong"])):
        outcome = Outcome(run(300_000, stage), run(10_000, baseline), TRAFFIC, TRAFFIC)
        assert outcome.problems(gates=False) == ["a run: wrong"]
