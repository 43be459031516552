"""`python -m benchmarks.bench_sink`: rows over HTTP beside INSERT ... SELECT inside the engine.

The sink writes blocks of `usage_events` and of `meter_usage` as a worker makes them. Then the same
rows, block by block, go from Memory tables into the same table inside ClickHouse, where no client,
no format and no network cost anything. Both as rows per CPU second of all processes, which is why
it always brings servers of its own. Merges are stopped meanwhile. Exits with 1 when the tables
differ or a gate is missed.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from clickhouse_connect.driver.client import Client

from benchmarks.errors import BenchmarkError
from benchmarks.events import Recount, Traffic, generate
from benchmarks.figures import RESULTS, Bound, Outcome, conclude
from benchmarks.installation import PARTITIONS, Installation, load_sql, servers
from benchmarks.machine import ProcessCost
from benchmarks.producing import envelopes
from benchmarks.progress import Step, new_bars, reporter, stepper
from benchmarks.stages import no_targets
from catalog.metering.aggregate import compile_meters
from core.clock import epoch_micros, monotonic_seconds
from core.errors import TollbookError
from db.clickhouse import connect_clickhouse
from streams.generation import ensure_generation
from streams.index import DedupeIndex
from streams.lane import Flush, Lane
from streams.records import Record
from streams.sink import INSERT_SETTINGS, Sink

EVENTS: Final = 512_000
"""Two chunks of 64 envelopes of 1,000 events in each of 4 partitions."""

ROUNDS: Final = 3
_FULL_FACTOR: Final = 8
_STEP_RECORDS: Final = 64
_MILLIS: Final = 1000
TABLES: Final = ("usage_events", "meter_usage")
BOUNDS: Final = tuple(
    Bound(f"{table}: sink / engine, rows per CPU s", least=0.5) for table in TABLES
)


@dataclass(slots=True)
class Way:
    """What one way of writing took, summed over rounds."""

    rows: int = 0
    seconds: float = 0.0
    cpu_seconds: dict[str, float] = field(default_factory=dict)

    @property
    def rows_per_cpu_second(self) -> float:
        """Rows per CPU second of all processes together."""
        return self.rows / sum(self.cpu_seconds.values())

    def figures(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "rows": self.rows,
            "rows_per_second": round(self.rows / self.seconds),
            "rows_per_cpu_second": round(self.rows_per_cpu_second),
            "cpu_seconds": {name: round(took, 3) for name, took in self.cpu_seconds.items()},
        }


def main(
    events: Annotated[int, typer.Option(min=4_000, help="Events of each round.")] = EVENTS,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; the ways take turns.")] = ROUNDS,
    full: Annotated[bool, typer.Option("--full", help="Eight times as many events.")] = False,
    gates: Annotated[bool, typer.Option(help="Fail below the stated ratio.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    results: Annotated[Path, typer.Option(help="Where to store the figures.")] = RESULTS
    / "sink.json",
) -> None:
    """Measure the sink beside the engine alone, and check that both wrote the same.

    Example: python -m benchmarks.bench_sink --events 64000 --rounds 1 --no-gates
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    events *= _FULL_FACTOR if full else 1
    events = -(-events // PARTITIONS) * PARTITIONS
    try:
        with (
            new_bars() as bars,
            servers({}, reporter(bars)) as running,
            running.installation() as where,
        ):
            runs, differences = _measure(where, events, rounds, stepper(bars))
    except (BenchmarkError, TollbookError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    outcome = Outcome("sink", runs, _figures(runs), BOUNDS, differences)
    if conclude(outcome, results, gates=gates, as_json=as_json):
        raise typer.Exit(1)


def _figures(runs: list[dict[str, Any]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for run in runs:
        table, sink, engine = run["run"], run["sink"], run["engine"]
        found[f"{table}: sink, rows/s"] = sink["rows_per_second"]
        found[f"{table}: sink, rows per CPU s"] = sink["rows_per_cpu_second"]
        found[f"{table}: engine, rows per CPU s"] = engine["rows_per_cpu_second"]
        ratio = sink["rows_per_cpu_second"] / engine["rows_per_cpu_second"]
        found[f"{table}: sink / engine, rows per CPU s"] = ratio
    return found


def _measure(
    where: Installation, events: int, rounds: int, step: Step
) -> tuple[list[dict[str, Any]], list[str]]:
    recount = Recount()
    with step("making blocks", events) as tell:
        flushes = list(_flushes(where, events, recount, tell))
    generation = ensure_generation(where.endpoints)
    sink = Sink(where.endpoints, generation)
    runs, differences = [], []
    with closing(connect_clickhouse(where.endpoints.clickhouse)) as client, closing(sink):
        for table in TABLES:
            blocks = [(number, one) for number, flush in flushes for one in _only(table, flush)]
            ways = {"sink": Way(), "engine": Way()}
            with step(table, rounds * 2) as tell:
                found = _rounds(where, client, sink, table, blocks, ways, rounds, tell)
            differences += found + _wrong(where, client, table, recount)
            runs.append(
                {"run": table, "blocks": len(blocks), "rounds": rounds}
                | {name: way.figures() for name, way in ways.items()}
            )
    return runs, differences


def _rounds(
    where: Installation,
    client: Client,
    sink: Sink,
    table: str,
    blocks: list[tuple[int, Flush]],
    ways: Mapping[str, Way],
    rounds: int,
    tell: Callable[[int], None],
) -> list[str]:
    """Both ways in turn, each into the empty table; what differs between the tables they made."""
    stop, never = threading.Event(), dict(INSERT_SETTINGS)

    def write_blocks() -> None:
        for number, flush in blocks:
            sink.write(number, flush, stop)

    def copy_blocks() -> None:
        for at in range(len(blocks)):
            copied = {"table": table, "block": f"block_{at}"}
            client.command(load_sql("insert_block"), parameters=copied, settings=never)

    client.command(load_sql("stop_merges"), parameters={"table": table})
    _empty(client, table)
    for at, (number, flush) in enumerate(blocks):  # also warms up
        sink.write(number, flush, stop)
        kept = {"table": table, "block": f"block_{at}"}
        client.command(load_sql("create_block"), parameters=kept)
        client.command(
            load_sql("insert_block"), parameters={"table": f"block_{at}", "block": table}
        )
        _empty(client, table)
    sums: dict[str, tuple[Any, ...]] = {}
    for done in range(rounds):
        for at, (name, action) in enumerate((("sink", write_blocks), ("engine", copy_blocks))):
            _timed(where, ways[name], action)
            rows = client.query(load_sql("select_checksum"), parameters={"table": table})
            sums[name] = tuple(rows.result_rows[0])
            ways[name].rows += sums[name][0]
            _empty(client, table)
            tell(2 * done + at + 1)
    write_blocks()
    for at in range(len(blocks)):
        client.command(load_sql("drop_block"), parameters={"block": f"block_{at}"})
    if sums["sink"] != sums["engine"]:
        return [f"{table}: rows and checksum by sink and engine: {sums}"]
    return []


def _timed(where: Installation, way: Way, action: Callable[[], None]) -> None:
    pids = {"sink": os.getpid(), **where.pids}
    costs = {name: ProcessCost(pid) for name, pid in pids.items() if name != "kafka"}
    began_seconds = monotonic_seconds()
    action()
    way.seconds += monotonic_seconds() - began_seconds
    for name, cost in costs.items():
        cost.sample()
        way.cpu_seconds[name] = way.cpu_seconds.get(name, 0.0) + cost.cpu_seconds


def _empty(client: Client, table: str) -> None:
    client.command(load_sql("empty_table"), parameters={"table": table})


def _wrong(where: Installation, client: Client, table: str, recount: Recount) -> list[str]:
    """What the table holds beside the count of the generator, which knows nothing of tables."""
    cells = recount.cells.values()
    wanted = (recount.accepted, sum(cell[2] for cell in cells))
    meter = next(str(meter.id) for meter in where.meters if meter.slug == "tokens")
    query = f"select_tokens_of_{table.split('_')[1]}"
    found = client.query(load_sql(query), parameters={"meter": meter}).result_rows[0]
    if tuple(int(each) for each in found) != wanted:
        return [f"{table}: events and tokens {found}, expected {wanted}"]
    return []


def _only(table: str, flush: Flush) -> Iterator[Flush]:
    """The flush with the rows of one table alone, if it has some."""
    frame = flush.events if table == "usage_events" else flush.usage
    if frame is None or frame.is_empty():
        return
    yield replace(
        flush,
        dead=[],
        rejected=flush.rejected.clear(),
        conflicts=flush.conflicts.clear(),
        events=flush.events if table == "usage_events" else flush.events.clear(),
        usage=flush.usage if table == "meter_usage" else None,
        ledger=flush.ledger.clear(),
    )


def _flushes(
    where: Installation, events: int, recount: Recount, tell: Callable[[int], None]
) -> Iterator[tuple[int, Flush]]:
    """What lanes make of whole chunks of events."""
    generation = ensure_generation(where.endpoints)
    traffic = Traffic(events, str(where.tenant_id), PARTITIONS)
    compiled = compile_meters(where.meters, len(where.meters))
    log_time_ms = epoch_micros(traffic.end) // _MILLIS
    horizon_ms = generation.horizon_seconds * _MILLIS
    size = max(1, min(1_000, events // PARTITIONS // generation.chunk_records))
    log: list[list[Record]] = [[] for _ in range(PARTITIONS)]
    for number, value, _ in envelopes(traffic, generate(traffic, recount), size):
        log[number].append(Record(len(log[number]), log_time_ms, value))
        tell(recount.events)
    for number, records in enumerate(log):
        rest = -len(records) % generation.chunk_records
        records += [
            Record(len(records) + at, log_time_ms, b"no envelope, it fills the chunk")
            for at in range(rest)
        ]
        lane = Lane(generation, number, 0, 0, DedupeIndex(horizon_ms), compiled, no_targets)
        for at in range(0, len(records), _STEP_RECORDS):
            for flush in lane.step(records[at : at + _STEP_RECORDS], compiled):
                yield number, flush


if __name__ == "__main__":
    typer.run(main)
