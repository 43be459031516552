"""`python -m benchmarks.bench_storage`: bytes and rows per event, and the speed of the jobs.

Stores the same events with small and with large envelopes, under a catalog without meters; then
lets the jobs back-fill five meters by two dimensions and roll them up; then weighs every table and
level. Brings servers of its own, or uses those that the three variables name.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from clickhouse_connect.driver.client import Client
from rich.console import Console
from rich.table import Table

from benchmarks.errors import BenchmarkError
from benchmarks.events import Recount, Traffic, generate
from benchmarks.installation import PARTITIONS, Installation, load_sql, servers
from benchmarks.machine import ProcessCost, commit, describe_machine
from benchmarks.producing import envelopes
from benchmarks.stages import no_targets
from catalog.metering.aggregate import compile_meters
from catalog.snapshot_content import CatalogSnapshot
from core.clock import SystemClock, epoch_micros, monotonic_seconds
from core.errors import TollbookError
from core.levels import ROLL
from db.clickhouse import connect_clickhouse
from streams.generation import ensure_generation
from streams.index import DedupeIndex
from streams.jobs.compact import compact
from streams.lane import Lane
from streams.records import Record
from streams.sink import Sink
from usage.verify import verify

EVENTS: Final = 1_638_400
"""64 chunks of 64 envelopes of 100 events in each of 4 partitions: one roll-up each."""

ENVELOPES: Final = (100, 1_000)
BACK_FILL_GATE: Final = 200_000
"""Events a second that the back-fill must reach."""

_STEP_RECORDS: Final = 128
_MILLIS: Final = 1000
_RESULTS: Final = Path(__file__).parent / "results" / "storage.json"
_TABLES: Final = ("usage_events", "meter_usage", "stream_ledger", "stream_conflicts")


def main(
    events: Annotated[int, typer.Option(min=4_000, help="Events of each run.")] = EVENTS,
    gates: Annotated[bool, typer.Option(help="Fail below the stated rate.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    results: Annotated[Path, typer.Option(help="Where to store the figures.")] = _RESULTS,
) -> None:
    """Measure what an event costs in every table and level, and how fast the jobs are.

    Example: python -m benchmarks.bench_storage --events 100000 --no-gates
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    events = -(-events // (PARTITIONS * max(ENVELOPES))) * PARTITIONS * max(ENVELOPES)
    try:
        with servers(os.environ, lambda name, phrase: _tell(f"{name}: {phrase}")) as running:
            runs = []
            for size in ENVELOPES:
                with running.installation() as where:
                    runs.append(_run(where, events, size))
    except (BenchmarkError, TollbookError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    found = {
        "measured_at": SystemClock().now().isoformat(),
        "commit": commit(),
        "machine": asdict(describe_machine()),
        "runs": runs,
    }
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        _print(runs)
    slowest = min(run["back_fill_events_per_second"] for run in runs)
    if gates and slowest < BACK_FILL_GATE:
        print(f"failed: back-fill of {slowest:,} events/s, {BACK_FILL_GATE:,} promised")
        raise typer.Exit(1)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _run(where: Installation, events: int, size: int) -> dict[str, Any]:
    """Store, back-fill, roll up, weigh; and hold every total to its events."""
    _tell(f"{events:,} events in envelopes of {size:,}")
    with closing(connect_clickhouse(where.endpoints.clickhouse)) as client:
        before = _counters(client)
        log_bytes, accepted = _store(where, events, size)
        stored = _counters(client)
        catalog = CatalogSnapshot(len(where.meters), where.meters)
        costs = {
            name: ProcessCost(pid) for name, pid in {**where.pids, "jobs": os.getpid()}.items()
        }
        for cost in costs.values():
            cost.begin()
        began = monotonic_seconds()
        tally = compact(where.endpoints.clickhouse, catalog)
        seconds = monotonic_seconds() - began
        for cost in costs.values():
            cost.sample()
        after = _counters(client)
        for name in _TABLES:
            client.command(load_sql("merge_table"), parameters={"name": name})
        weighed = list(client.query(load_sql("select_storage")).named_results())
    report = verify(where.endpoints.clickhouse, where.meters)
    if report.differences:
        raise BenchmarkError(f"the jobs wrote something else: {report.differences[:2]}")
    _tell(f"  runs by level {tally.runs} in {seconds:.1f} s")
    return {
        "envelope_events": size,
        "events": events,
        "accepted": accepted,
        "meters": len(where.meters),
        "log_bytes_per_event": round(log_bytes / events, 2),
        "back_fill_seconds": round(seconds, 2),
        "back_fill_events_per_second": round(tally.events / seconds),
        "cpu_seconds": {
            name: round(cost.cpu_seconds, 2) for name, cost in costs.items() if name != "kafka"
        },
        "runs_by_level": {str(level): count for level, count in sorted(tally.runs.items())},
        "written_by_lanes": _written(before, stored, accepted),
        "written_by_jobs": _written(stored, after, accepted),
        "tables": [_weight(row, accepted) for row in weighed],
    }


def _counters(client: Client) -> dict[str, int]:
    rows = client.query(load_sql("select_written")).result_rows
    return {str(event): int(value) for event, value in rows}


def _store(where: Installation, events: int, size: int) -> tuple[int, int]:
    """Write the events as a worker with an empty catalog does; bytes of the log, and accepted."""
    generation = ensure_generation(where.endpoints)
    traffic = Traffic(events, str(where.tenant_id), PARTITIONS)
    compiled, recount = compile_meters((), 0), Recount()
    log_time_ms, log_bytes = epoch_micros(traffic.end) // _MILLIS, 0
    sink, stop = Sink(where.endpoints, generation), threading.Event()
    horizon_ms = generation.horizon_seconds * _MILLIS
    lanes = [
        Lane(generation, number, 0, 0, DedupeIndex(horizon_ms), compiled, no_targets)
        for number in range(PARTITIONS)
    ]
    waiting: list[list[Record]] = [[] for _ in lanes]

    def step(number: int) -> None:
        for flush in lanes[number].step(waiting[number], compiled):
            sink.write(number, flush, stop)
        waiting[number].clear()

    for number, value, _ in envelopes(traffic, generate(traffic, recount), size):
        log_bytes += len(value)
        offset = lanes[number].next_offset + len(waiting[number])
        waiting[number].append(Record(offset, log_time_ms, value))
        if len(waiting[number]) == _STEP_RECORDS:
            step(number)
    for number in range(PARTITIONS):
        if waiting[number]:
            step(number)
    sink.close()
    return log_bytes, recount.accepted


def _written(before: dict[str, int], after: dict[str, int], accepted: int) -> dict[str, float]:
    """Rows and uncompressed bytes per accepted event: inserted, and merged again meanwhile."""
    return {
        name: round((after.get(event, 0) - before.get(event, 0)) / accepted, 3)
        for name, event in {
            "rows_inserted": "InsertedRows",
            "bytes_inserted": "InsertedBytes",
            "rows_merged": "MergedRows",
            "bytes_merged": "MergedUncompressedBytes",
        }.items()
    }


def _weight(row: dict[str, Any], accepted: int) -> dict[str, Any]:
    return {
        "table": row["table"],
        "level": row["level"],
        "rows": row["stored_rows"],
        "rows_per_event": round(row["stored_rows"] / accepted, 5),
        "bytes_per_event": round(row["stored_bytes"] / accepted, 3),
        "plain_bytes_per_event": round(row["plain_bytes"] / accepted, 3),
    }


def _print(runs: list[dict[str, Any]]) -> None:
    console = Console()
    for run in runs:
        title = (
            f"{run['events']:,} events, {run['envelope_events']:,} an envelope, chunks of"
            f" {ROLL * run['envelope_events']:,}; log {run['log_bytes_per_event']} bytes an event;"
            f" back-fill {run['back_fill_events_per_second']:,} events/s,"
            f" CPU seconds {run['cpu_seconds']}"
        )
        table = Table("table", "level", "rows/event", "bytes/event", "plain bytes/event")
        for row in run["tables"]:
            table.add_row(
                row["table"], row["level"], f"{row['rows_per_event']:.4f}",
                f"{row['bytes_per_event']:.2f}", f"{row['plain_bytes_per_event']:.2f}",
            )  # fmt: skip
        console.print(title)
        console.print(table)
        for who in ("lanes", "jobs"):
            console.print(f"  written by {who}, per accepted event: {run[f'written_by_{who}']}")


if __name__ == "__main__":
    typer.run(main)
