"""The figures: a table for people, one JSON document for programs and for `results/`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.events import Traffic
from benchmarks.machine import commit, describe_machine
from benchmarks.producing import ENVELOPE_EVENTS
from benchmarks.running import Run
from core.clock import Clock

EVENTS_PER_SECOND_MIN: Final = 200_000
RATIO_MIN: Final = 10.0
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Outcome:
    """Both runs, and what each was fed with."""

    stage: Run
    baseline: Run
    stage_traffic: Traffic
    baseline_traffic: Traffic

    @property
    def ratio(self) -> float:
        """How many times the baseline's rate the stage reaches."""
        return (
            self.stage.measurement.events_per_second / self.baseline.measurement.events_per_second
        )

    def problems(self, *, gates: bool) -> list[str]:
        """Why the benchmark fails; none when it passes. Without `gates` only results count."""
        found = [
            f"{run.stage}: {difference}"
            for run in (self.stage, self.baseline)
            for difference in run.differences
        ]
        rate = self.stage.measurement.events_per_second
        if gates and rate < EVENTS_PER_SECOND_MIN:
            found.append(f"{rate:,.0f} events/s: the gate is {EVENTS_PER_SECOND_MIN:,}")
        if gates and self.ratio < RATIO_MIN:
            found.append(f"{self.ratio:.1f} x the baseline: the gate is {RATIO_MIN:.0f} x")
        return found


def document(outcome: Outcome, clock: Clock, problems: list[str]) -> dict[str, Any]:
    """Everything a reader needs to judge the figures, ready for JSON."""
    return {
        "benchmark": "streams",
        "measured_at": clock.now().isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": asdict(describe_machine()),
        "data": {
            "stage": _described(outcome.stage, outcome.stage_traffic)
            | {"events_per_envelope": ENVELOPE_EVENTS},
            "baseline": _described(outcome.baseline, outcome.baseline_traffic)
            | {"events_per_record": 1},
        },
        "runs": [_figures(run) for run in (outcome.stage, outcome.baseline)],
        "ratio": round(outcome.ratio, 2),
        "gates": {"events_per_second": EVENTS_PER_SECOND_MIN, "ratio": RATIO_MIN},
        "problems": problems,
    }


def _described(run: Run, traffic: Traffic) -> dict[str, Any]:
    return asdict(traffic) | {
        "accepted": run.recount.accepted,
        "duplicates": run.recount.duplicates,
        "conflicts": run.recount.conflicts,
    }


def _figures(run: Run) -> dict[str, Any]:
    took = run.measurement
    return {
        "stage": run.stage,
        "events": took.events,
        "window_events": took.window_events,
        "window_seconds": round(took.window_seconds, 3),
        "events_per_second": round(took.events_per_second),
        "start_to_end_seconds": round(took.start_to_end_seconds, 3),
        "cpu_seconds_per_million_events": {
            name: round(seconds, 2) for name, seconds in took.cpu_seconds_per_million.items()
        },
        "rss_peak_bytes": took.rss_peak_bytes,
        "other_cores": round(took.other_cores, 2),
        "differences": run.differences,
    }


def print_report(outcome: Outcome, console: Console) -> None:
    """The table, one row a run."""
    table = Table(title="Stream stage beside plain Faust, same servers, same kind of events")
    table.add_column("stage", no_wrap=True)
    for name in (
        "events", "seconds", "events/s", "ratio", "from start", "worker\nCPU s/M",
        "ClickHouse\nCPU s/M", "worker\nMiB", "others'\ncores", "results",
    ):  # fmt: skip
        table.add_column(name, justify="right", no_wrap=True)
    base = outcome.baseline.measurement.events_per_second
    for run in (outcome.baseline, outcome.stage):
        took = run.measurement
        cpu, memory = took.cpu_seconds_per_million, took.rss_peak_bytes
        table.add_row(
            run.stage,
            f"{took.window_events:,}",
            f"{took.window_seconds:.2f}",
            f"{took.events_per_second:,.0f}",
            f"{took.events_per_second / base:.1f}",
            f"{took.start_to_end_seconds:.1f} s",
            f"{cpu['worker']:.1f}",
            f"{cpu['clickhouse']:.1f}" if "clickhouse" in cpu else "outside",
            f"{memory['worker'] // _MIB:,}",
            f"{took.other_cores:.1f}",
            f"{len(run.differences)} differences" if run.differences else "equal",
        )
    console.print(table)


def print_stages(stages: dict[str, float], events: int, console: Console) -> None:
    """The steps of the stage with their shares."""
    whole = sum(stages.values())
    table = Table(title=f"One process, one step after the other, {events:,} events")
    for name in ("step", "seconds", "share", "us/event"):
        table.add_column(name, justify="left" if name == "step" else "right")
    for name, seconds in stages.items():
        micros = seconds / events * 1e6
        table.add_row(name, f"{seconds:.2f}", f"{seconds / whole:.0%}", f"{micros:.2f}")
    table.add_row("all", f"{whole:.2f}", "100%", f"{whole / events * 1e6:.2f}")
    console.print(table)
