"""The figures: a table for people, one JSON document for programs and for `results/`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.machine import commit, describe_machine
from benchmarks.running import Run
from core.clock import Clock

_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Gate:
    """What a figure must reach: events/s where `than` is None, else times the rate of that run."""

    run: str
    least: float
    than: str | None = None

    def reached(self, rates: Mapping[str, float]) -> float:
        """The figure. `rates`: events/s by run."""
        return rates[self.run] / (rates[self.than] if self.than else 1)

    def __str__(self) -> str:
        what = f"x {self.than}" if self.than else "events/s"
        return f"{self.run}: at least {self.least:,g} {what}"


GATES: Final = (
    Gate("stream stage, 1,000", 250_000),
    Gate("stream stage, 100", 80_000),
    Gate("stream stage, 1,000", 20, "plain Faust"),
    Gate("stream stage, 1,000", 5, "plain loop"),
    Gate("stream stage, 1,000", 0.6, "bare kernel, 1,000"),
)


def rates_of(runs: Sequence[Run]) -> dict[str, float]:
    """Events/s by name."""
    return {run.name: run.measurement.events_per_second for run in runs}


def problems_of(runs: Sequence[Run], *, gates: bool) -> list[str]:
    """Why the benchmark fails; none when it passes. Without `gates` only results count."""
    found = [f"{run.name}: {difference}" for run in runs for difference in run.differences]
    if gates:
        rates = rates_of(runs)
        found += [
            f"{gate}, reached {gate.reached(rates):,.2f}"
            for gate in GATES
            if gate.reached(rates) < gate.least
        ]
    return found


def document(runs: Sequence[Run], clock: Clock, problems: list[str]) -> dict[str, Any]:
    """Everything a reader needs to judge the figures, ready for JSON."""
    rates = rates_of(runs)
    return {
        "benchmark": "streams",
        "measured_at": clock.now().isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": asdict(describe_machine()),
        "runs": [_figures(run) for run in runs],
        "gates": [
            {"gate": str(gate), "least": gate.least, "reached": round(gate.reached(rates), 2)}
            for gate in GATES
        ],
        "problems": problems,
    }


def _figures(run: Run) -> dict[str, Any]:
    took = run.measurement
    return {
        "run": run.name,
        "data": asdict(run.traffic)
        | {
            "events_per_record": run.plan.events_per_record,
            "accepted": run.recount.accepted,
            "duplicates": run.recount.duplicates,
            "conflicts": run.recount.conflicts,
        },
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


def print_report(runs: Sequence[Run], console: Console) -> None:
    """The table, one row a run, and the gates."""
    table = Table(title="The stream stage beside its baselines; same servers, same kind of events")
    table.add_column("run, events per record", no_wrap=True)
    for name in (
        "events/s",
        "CPU s/M\nworker",
        "\nClickHouse",
        "RSS\nMiB",
        "others'\ncores",
        "results",
    ):
        table.add_column(name, justify="right", no_wrap=True)
    for run in runs:
        took = run.measurement
        cpu, memory = took.cpu_seconds_per_million, took.rss_peak_bytes
        table.add_row(
            run.name,
            f"{took.events_per_second:,.0f}",
            f"{cpu['worker']:.1f}",
            f"{cpu['clickhouse']:.1f}" if "clickhouse" in cpu else "outside",
            f"{memory['worker'] // _MIB:,}",
            f"{took.other_cores:.1f}",
            f"{len(run.differences)} differ" if run.differences else "equal",
        )
    console.print(table)
    rates = rates_of(runs)
    for gate in GATES:
        console.print(f"{gate}: {gate.reached(rates):,.2f}")


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
