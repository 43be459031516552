"""`python -m benchmarks.bench_streams`: events per second from Kafka to ClickHouse.

Brings servers of its own, or uses those that KAFKA_BOOTSTRAP_SERVERS, CLICKHOUSE_URL and
DATABASE_URL name. Exits with 1 when a result differs from the recount or a gate is missed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from benchmarks.errors import BenchmarkError
from benchmarks.events import Traffic
from benchmarks.installation import PARTITIONS, installed
from benchmarks.producing import ENVELOPE_EVENTS
from benchmarks.report import Outcome, document, print_report, print_stages
from benchmarks.running import run_baseline, run_stage
from benchmarks.stages import time_stages
from core.clock import SystemClock
from core.errors import TollbookError

EVENTS: Final = 2_048_000
"""8 whole chunks of 64 envelopes in each of 4 partitions."""

BASELINE_EVENTS: Final = 100_000
_FULL_FACTOR: Final = 10
_RESULTS: Final = Path(__file__).parent / "results" / "streams.json"
_SEED_STAGE, _SEED_BASELINE = 1, 2


def main(
    events: Annotated[int, typer.Option(min=4_000, help="Events of the stage.")] = EVENTS,
    baseline_events: Annotated[
        int, typer.Option(min=1_000, help="Events of the baseline.")
    ] = BASELINE_EVENTS,
    full: Annotated[bool, typer.Option("--full", help="Ten times as many of both.")] = False,
    gates: Annotated[bool, typer.Option(help="Fail below the stated rate and ratio.")] = True,
    stages: Annotated[
        bool, typer.Option("--stages", help="Instead, time the steps of the stage one by one.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    results: Annotated[Path, typer.Option(help="Where to store the figures.")] = _RESULTS,
) -> None:
    """Measure the stream stage beside plain Faust, and check both results.

    Example: python -m benchmarks.bench_streams --events 200000 --baseline-events 20000 --no-gates
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if full:
        events, baseline_events = _FULL_FACTOR * events, _FULL_FACTOR * baseline_events
    try:
        if stages:
            failed = _stages(_rounded(events, PARTITIONS * ENVELOPE_EVENTS), as_json)
        else:
            failed = _compare(
                _rounded(events, PARTITIONS * ENVELOPE_EVENTS),
                _rounded(baseline_events, PARTITIONS), gates, as_json, results,
            )  # fmt: skip
    except (BenchmarkError, TollbookError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    if failed:
        raise typer.Exit(1)


def _rounded(events: int, unit: int) -> int:
    return -(-events // unit) * unit


def _compare(events: int, baseline_events: int, gates: bool, as_json: bool, results: Path) -> bool:
    with _bars() as bars, installed(os.environ, _reporter(bars)) as where:
        tenant = str(where.tenant_id)
        stage_traffic = Traffic(events, tenant, PARTITIONS, _SEED_STAGE)
        baseline_traffic = Traffic(baseline_events, tenant, PARTITIONS, _SEED_BASELINE)
        stage = run_stage(where, stage_traffic, _stepper(bars))
        baseline = run_baseline(where, baseline_traffic, _stepper(bars))
    outcome = Outcome(stage, baseline, stage_traffic, baseline_traffic)
    problems = outcome.problems(gates=gates)
    found = document(outcome, SystemClock(), problems)
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        print_report(outcome, Console())
    for problem in problems:
        print(f"failed: {problem}", file=sys.stderr)
    return bool(problems)


def _stages(events: int, as_json: bool) -> bool:
    with _bars() as bars, installed(os.environ, _reporter(bars)) as where:
        traffic = Traffic(events, str(where.tenant_id), PARTITIONS, _SEED_STAGE)
        with _stepper(bars)("stages", events) as tell:
            seconds = time_stages(where, traffic, tell)
    if as_json:
        print(json.dumps({"events": events, "seconds": seconds}, indent=2))
    else:
        print_stages(seconds, events, Console())
    return False


def _bars() -> Progress:
    return Progress(
        TextColumn("{task.description:32}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )


def _reporter(bars: Progress) -> Callable[[str, str], None]:
    tasks: dict[str, TaskID] = {}

    def report(name: str, phrase: str) -> None:
        if name not in tasks:
            tasks[name] = bars.add_task("", total=None)
        bars.update(tasks[name], description=f"{name}: {phrase}"[:32])
        if phrase.startswith(("ready", "stopped", "outside server answers")):
            bars.update(tasks[name], total=1, completed=1)

    return report


def _stepper(bars: Progress) -> Any:
    @contextmanager
    def step(title: str, total: int) -> Iterator[Callable[[int], None]]:
        task = bars.add_task(title, total=total or None)
        yield lambda done: bars.update(task, completed=done)
        bars.update(task, total=total or 1, completed=total or 1)

    return step


if __name__ == "__main__":
    typer.run(main)
