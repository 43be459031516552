"""`python -m benchmarks.bench_path`: events per second from HTTP requests to answers of ClickHouse.

Every process counts: a client with many connections, one ingest process, Kafka, one worker and
ClickHouse share the machine. The client's requests are made in advance and read from a file, so
that the client costs little; real senders make theirs on other machines. Exits with 1 when a
result differs from the recount or a gate is missed.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from benchmarks.errors import BenchmarkError
from benchmarks.figures import RESULTS, Bound, Outcome, conclude
from benchmarks.installation import servers
from benchmarks.progress import new_bars, reporter, stepper
from benchmarks.whole_path import PathPlan, run_path
from core.errors import TollbookError

EVENTS: Final = 400_000
_FULL_FACTOR: Final = 10
BATCHES: Final = {1_000: 16, 100: 64}
"""Events a request -> connections."""

BOUNDS: Final = (
    Bound("path, 1,000: events/s", least=180_000),
    Bound("path, 100: events/s", least=130_000),
    Bound("path, 1,000: p99 freshness at half load, s", most=2),
    Bound("path, 100: p99 freshness at half load, s", most=2),
)


def main(
    events: Annotated[
        int, typer.Option(min=4_000, help="Events at full load, for each size of request.")
    ] = EVENTS,
    full: Annotated[bool, typer.Option("--full", help="Ten times as many.")] = False,
    gates: Annotated[bool, typer.Option(help="Fail below the stated figures.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    results: Annotated[Path, typer.Option(help="Where to store the figures.")] = RESULTS
    / "path.json",
) -> None:
    """Measure the whole path at full and at half load, and check all results.

    Example: python -m benchmarks.bench_path --events 40000 --no-gates
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    events *= _FULL_FACTOR if full else 1
    plans = [PathPlan(events, batch, many) for batch, many in BATCHES.items()]
    try:
        with new_bars() as bars, servers(os.environ, reporter(bars)) as running:
            runs = [run_path(running, plan, stepper(bars)) for plan in plans]
    except (BenchmarkError, TollbookError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    differences = [f"{run['run']}: {line}" for run in runs for line in run["differences"]]
    outcome = Outcome("path", runs, _figures(runs), BOUNDS, differences)
    if conclude(outcome, results, gates=gates, as_json=as_json):
        raise typer.Exit(1)


def _figures(runs: list[dict[str, Any]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for run in runs:
        name, full, half = run["run"], run["full_load"], run["half_load"]
        found[f"{name}: events/s"] = full["events_per_second"]
        found[f"{name}: p99 freshness at half load, s"] = half["freshness_seconds_p99"]
        for process, seconds in full["cpu_seconds_per_million_events"].items():
            found[f"{name}: CPU s/M events, {process}"] = seconds
    return found


if __name__ == "__main__":
    typer.run(main)
