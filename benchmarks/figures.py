"""Figures with bounds: gates, what is stored in `results/`, and how a benchmark ends."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.machine import commit, describe_machine
from core.clock import SystemClock

RESULTS: Final = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Bound:
    """A gate: the figure of this name must reach `least`, or must not exceed `most`."""

    figure: str
    least: float | None = None
    most: float | None = None

    def holds(self, value: float) -> bool:
        """Whether a figure passes."""
        if self.least is not None and value < self.least:
            return False
        return self.most is None or value <= self.most

    def __str__(self) -> str:
        if self.least is not None:
            return f"{self.figure}: at least {self.least:,g}"
        return f"{self.figure}: at most {self.most:,g}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a benchmark found: `figures` by name, of which `bounds` name some.

    `runs` are the details, ready for JSON; `differences` are results that are not what they must
    be.
    """

    benchmark: str
    runs: Sequence[Mapping[str, Any]]
    figures: Mapping[str, float]
    bounds: Sequence[Bound]
    differences: Sequence[str]

    def problems(self, *, gates: bool) -> list[str]:
        """Why the benchmark fails; none when it passes. Without `gates` only results count."""
        found = list(self.differences)
        if gates:
            found += [
                f"{bound}, reached {self.figures[bound.figure]:,.4g}"
                for bound in self.bounds
                if not bound.holds(self.figures[bound.figure])
            ]
        return found

    def document(self, problems: Sequence[str]) -> dict[str, Any]:
        """Everything a reader needs to judge the figures, ready for JSON."""
        return {
            "benchmark": self.benchmark,
            "measured_at": SystemClock().now().isoformat(timespec="seconds"),
            "commit": commit(),
            "machine": asdict(describe_machine()),
            "runs": [dict(run) for run in self.runs],
            "figures": {name: round(value, 4) for name, value in self.figures.items()},
            "gates": [
                {"gate": str(bound), "reached": round(self.figures[bound.figure], 4)}
                for bound in self.bounds
            ],
            "problems": list(problems),
        }


def conclude(outcome: Outcome, results: Path, *, gates: bool, as_json: bool) -> bool:
    """Store the figures, print them, and say whether the benchmark failed."""
    problems = outcome.problems(gates=gates)
    found = outcome.document(problems)
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        bounds = {bound.figure: f"   ({bound})" for bound in outcome.bounds}
        for name, value in outcome.figures.items():
            print(f"{name:56} {value:>14,.4g}{bounds.get(name, '')}")
    for problem in problems:
        print(f"failed: {problem}", file=sys.stderr)
    return bool(problems)
