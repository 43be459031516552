"""`python -m benchmarks.bench_streams`: events per second from Kafka to ClickHouse.

Brings servers of its own, or uses those that KAFKA_BOOTSTRAP_SERVERS, CLICKHOUSE_URL and
DATABASE_URL name. Exits with 1 when a result differs from the recount or a gate is missed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from benchmarks.errors import BenchmarkError
from benchmarks.events import Traffic
from benchmarks.installation import PARTITIONS, servers
from benchmarks.producing import ENVELOPE_EVENTS
from benchmarks.progress import new_bars, reporter, stepper
from benchmarks.report import document, print_report, print_stages, problems_of
from benchmarks.running import Plan, bare_plan, faust_plan, loop_plan, run, stage_plan
from benchmarks.stages import time_stages
from core.clock import SystemClock
from core.errors import TollbookError

EVENTS: Final = 2_048_000
"""8 whole chunks of 64 envelopes of 1,000 events in each of 4 partitions."""

JSON_EVENTS: Final = 100_000
_FULL_FACTOR: Final = 10
_SMALL: Final = 100
_RESULTS: Final = Path(__file__).parent / "results" / "streams.json"


def main(
    events: Annotated[int, typer.Option(min=4_000, help="Events in envelopes of 1,000.")] = EVENTS,
    json_events: Annotated[
        int, typer.Option(min=1_000, help="Events in JSON records, for the plain baselines.")
    ] = JSON_EVENTS,
    full: Annotated[bool, typer.Option("--full", help="Ten times as many of both.")] = False,
    gates: Annotated[bool, typer.Option(help="Fail below the stated rates and ratios.")] = True,
    stages: Annotated[
        bool, typer.Option("--stages", help="Instead, time the steps of the stage one by one.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    results: Annotated[Path, typer.Option(help="Where to store the figures.")] = _RESULTS,
) -> None:
    """Measure the stream stage beside its baselines, and check all results.

    Example: python -m benchmarks.bench_streams --events 200000 --json-events 20000 --no-gates
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if full:
        events, json_events = _FULL_FACTOR * events, _FULL_FACTOR * json_events
    events = _rounded(events, PARTITIONS * ENVELOPE_EVENTS)
    try:
        if stages:
            failed = _stages(events, as_json)
        else:
            plans = [
                faust_plan(_rounded(json_events, PARTITIONS)),
                loop_plan(_rounded(json_events, PARTITIONS)),
                bare_plan(events, ENVELOPE_EVENTS),
                stage_plan(events, ENVELOPE_EVENTS),
                stage_plan(_rounded(events // 2, PARTITIONS * ENVELOPE_EVENTS), _SMALL),
            ]
            failed = _compare(plans, gates, as_json, results)
    except (BenchmarkError, TollbookError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    if failed:
        raise typer.Exit(1)


def _rounded(events: int, unit: int) -> int:
    return -(-events // unit) * unit


def _compare(plans: list[Plan], gates: bool, as_json: bool, results: Path) -> bool:
    with new_bars() as bars, servers(os.environ, reporter(bars)) as running:
        runs = [run(running, plan, stepper(bars)) for plan in plans]
    problems = problems_of(runs, gates=gates)
    found = document(runs, SystemClock(), problems)
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        print_report(runs, Console())
    for problem in problems:
        print(f"failed: {problem}", file=sys.stderr)
    return bool(problems)


def _stages(events: int, as_json: bool) -> bool:
    with (
        new_bars() as bars,
        servers(os.environ, reporter(bars)) as running,
        running.installation() as where,
    ):
        traffic = Traffic(events, str(where.tenant_id), PARTITIONS)
        with stepper(bars)("stages", events) as tell:
            seconds = time_stages(where, traffic, tell)
    if as_json:
        print(json.dumps({"events": events, "seconds": seconds}, indent=2))
    else:
        print_stages(seconds, events, Console())
    return False


if __name__ == "__main__":
    typer.run(main)
