from __future__ import annotations

from decimal import Decimal

import pytest

from benchmarks.checking import NAMED_MAX, compare
from benchmarks.events import Cell, Recount, Traffic
from benchmarks.measuring import Measurement
from benchmarks.report import problems_of
from benchmarks.running import Plan, Run

CELL: Cell = (0, "a", "m", "r")
Cells = dict[tuple[str, Cell], tuple[Decimal, int]]
CELLS: Cells = {("units", CELL): (Decimal("1.50"), 2)}
RATES = {
    "plain Faust": 12_000,
    "plain loop": 40_000,
    "bare kernel, 1,000": 400_000,
    "stream stage, 1,000": 250_000,
    "stream stage, 100": 80_000,
}


def run_of(name: str, rate: int, differences: list[str] | None = None) -> Run:
    took = Measurement(4_000, rate, 1.0, 2.0, {"worker": 1.0}, {"worker": 1}, 0.0)
    return Run(
        Plan(name, 4_000, 1, []), Traffic(4_000, "tenant"), took, Recount(), differences or []
    )


def runs_at(rates: dict[str, int]) -> list[Run]:
    return [run_of(name, rate) for name, rate in rates.items()]


@pytest.mark.parametrize(
    "found",
    [
        {},
        {("units", CELL): (Decimal("1.51"), 2)},
        {("units", CELL): (Decimal("1.50"), 3)},
        CELLS | {("units", (0, "b", "m", "r")): (Decimal(0), 0)},
    ],
)
def test_a_wrong_a_missing_and_a_surplus_cell_are_each_a_difference(found: Cells) -> None:
    assert len(compare(CELLS, found)) == 1


def test_equal_numbers_in_another_form_are_no_difference() -> None:
    assert compare(CELLS, {("units", CELL): (Decimal("1.500000000000"), 2)}) == []


def test_many_differences_are_named_in_part_and_counted() -> None:
    found: Cells = {("units", (0, f"s{number}", "m", "r")): (Decimal(1), 1) for number in range(50)}
    lines = compare({}, found)
    assert len(lines) == NAMED_MAX + 1
    assert lines[-1] == "and 30 more"


def test_all_gates_are_reached_at_their_very_bounds() -> None:
    assert problems_of(runs_at(RATES), gates=True) == []


@pytest.mark.parametrize(
    ("name", "rate", "named"),
    [
        ("stream stage, 1,000", 249_999, "at least 250,000 events/s"),
        ("stream stage, 100", 79_999, "at least 80,000 events/s"),
        ("plain Faust", 12_501, "at least 20 x plain Faust"),
        ("plain loop", 50_001, "at least 5 x plain loop"),
        ("bare kernel, 1,000", 416_667, "at least 0.6 x bare kernel, 1,000"),
    ],
)
def test_a_missed_gate_is_named_and_counts_with_gates_only(
    name: str, rate: int, named: str
) -> None:
    runs = runs_at(RATES | {name: rate})
    (problem,) = problems_of(runs, gates=True)
    assert named in problem
    assert problems_of(runs, gates=False) == []


def test_a_difference_in_any_run_always_fails() -> None:
    for name in RATES:
        runs = [run_of(each, RATES[each], ["wrong"] if each == name else []) for each in RATES]
        assert problems_of(runs, gates=False) == [f"{name}: wrong"]
