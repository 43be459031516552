"""`python -m benchmarks.bench_scaling`: what one, two and four workers do with equal logs.

All workers are up and have judged events before the log is filled; the time runs from when it is
filled until the ledger covers it. Draws throughput and CPU seconds a million events as a graph.
Exits with 1 when a result differs from the recount or a gate is missed.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from clickhouse_connect.driver.client import Client

import sql
from benchmarks.checking import check_stage
from benchmarks.errors import BenchmarkError
from benchmarks.events import Recount, Traffic, generate
from benchmarks.figures import RESULTS, Bound, Outcome, conclude
from benchmarks.graphs import Panel, draw
from benchmarks.installation import PARTITIONS, Installation, Servers, servers
from benchmarks.machine import ProcessCost, busy_seconds, describe_machine
from benchmarks.measuring import Worker, worker
from benchmarks.producing import envelopes, flush, new_producer
from benchmarks.progress import Step, new_bars, reporter, stepper
from core.clock import monotonic_seconds
from core.envelope import envelope_headers
from core.errors import TollbookError
from db.clickhouse import connect_clickhouse

Envelope = tuple[int, bytes, int]
"""Partition, record value, number of events."""

EVENTS: Final = 819_200
WORKERS: Final = (1, 2, 4)
_FULL_FACTOR: Final = 10
_START_SECONDS: Final = 240
_RATE_MIN: Final = 2_000
_POLL_SECONDS: Final = 0.1
_MILLION: Final = 1_000_000
_GRAPH: Final = Path(__file__).parents[1] / "docs" / "images" / "scaling.svg"

_ASSIGNED: Final = re.compile(r"assigned partitions \[([\d, ]*)\]")
_TIMES: Final = "{} workers: CPU per event, times that of 1"
_ALLOWED: Final = "{} workers: events/s, of what the cores allow"
BOUNDS: Final = (
    Bound(_TIMES.format(2), most=1.1),
    Bound(_TIMES.format(4), most=1.1),
    Bound(_ALLOWED.format(2), least=0.8),
    Bound(_ALLOWED.format(4), least=0.8),
)


def main(
    events: Annotated[
        int, typer.Option(min=4_000, help="Events, for each number of workers.")
    ] = EVENTS,
    full: Annotated[bool, typer.Option("--full", help="Ten times as many.")] = False,
    gates: Annotated[bool, typer.Option(help="Fail beyond the stated figures.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    results: Annotated[Path, typer.Option(help="Where to store the figures.")] = RESULTS
    / "scaling.json",
    graph: Annotated[Path, typer.Option(help="Where to draw the graph.")] = _GRAPH,
) -> None:
    """Measure one, two and four workers on the same events, and check all results.

    Example: python -m benchmarks.bench_scaling --events 40000 --no-gates --graph /tmp/scaling.svg
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    events *= _FULL_FACTOR if full else 1
    events = -(-events // PARTITIONS) * PARTITIONS
    try:
        with new_bars() as bars, servers(os.environ, reporter(bars)) as running:
            runs = [_run(running, many, events, stepper(bars)) for many in WORKERS]
    except (BenchmarkError, TollbookError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    graph.write_text(_drawn(runs), encoding="utf-8")
    differences = [f"{run['run']}: {line}" for run in runs for line in run["differences"]]
    outcome = Outcome("scaling", runs, figures(runs, describe_machine().cores), BOUNDS, differences)
    if conclude(outcome, results, gates=gates, as_json=as_json):
        raise typer.Exit(1)


def figures(runs: Sequence[Mapping[str, Any]], cores: int) -> dict[str, float]:
    """Rates, CPU seconds, and both beside those of one worker.

    What the cores allow: as many times the rate of one worker, but no more than `cores` busy cores
    can do at the CPU time that one worker and the servers take for an event.
    """
    found: dict[str, float] = {}
    alone = runs[0]
    full_rate = cores * _MILLION / alone["cpu_seconds_per_million_events"]["all"]
    for run in runs:
        many, rate = run["workers"], run["events_per_second"]
        cpu = run["cpu_seconds_per_million_events"]
        found[f"{_name(many)}: events/s"] = rate
        found[f"{_name(many)}: CPU s/M events, workers"] = cpu["workers"]
        found[f"{_name(many)}: CPU s/M events, all"] = cpu["all"]
        if many > 1:
            alike = cpu["workers"] / alone["cpu_seconds_per_million_events"]["workers"]
            found[_TIMES.format(many)] = alike
            allowed = min(many * alone["events_per_second"], full_rate)
            found[_ALLOWED.format(many)] = rate / allowed
    return found


def _name(many: int) -> str:
    return f"{many} workers" if many > 1 else "1 worker"


def _drawn(runs: Sequence[Mapping[str, Any]]) -> str:
    many = [str(run["workers"]) for run in runs]
    cpu = [run["cpu_seconds_per_million_events"] for run in runs]
    return draw(
        "workers",
        many,
        Panel("events per second", {"": [run["events_per_second"] for run in runs]}),
        Panel(
            "CPU seconds per million events",
            {"workers": [one["workers"] for one in cpu], "all processes": [x["all"] for x in cpu]},
        ),
    )


def _run(servers: Servers, many: int, events: int, step: Step) -> dict[str, Any]:
    name = _name(many)
    with servers.installation() as where, ExitStack() as running:
        traffic, recount = Traffic(events, str(where.tenant_id), PARTITIONS), Recount()
        size = max(1, min(1_000, events // PARTITIONS // 64))
        with step(f"{name}: preparing", events) as tell:
            log = _log(traffic, recount, size, tell)
        environ = where.endpoints.as_environment()
        started = {}
        for number in range(many):
            arguments = ["cli.main", "serve", "streams", "--worker-id", f"w{number}"]
            path = where.folder / f"w{number}.log"
            state = ["--state-dir", "state"]
            started[path] = running.enter_context(worker([*arguments, *state], environ, path))
        client = running.enter_context(closing(connect_clickhouse(where.endpoints.clickhouse)))
        pool = Pool(where, client, started)
        with step(f"{name}: warming up", 0):
            rest = pool.warm_up(log)
        with step(name, events) as tell:
            figures = pool.measure(rest, events, tell)
        with step(f"{name}: checking", 0):
            differences = check_stage(where, traffic, recount)
        shares = pool.assigned()
        if sorted(map(len, shares)) != [PARTITIONS // many] * many:
            differences.append(f"the workers do not share the partitions evenly: {shares}")
        return {
            "run": name,
            "workers": many,
            "events_per_record": size,
            "accepted": recount.accepted,
            "partitions": shares,
            **figures,
            "differences": differences,
        }


def _log(
    traffic: Traffic, recount: Recount, size: int, tell: Callable[[int], None]
) -> list[Envelope]:
    made = []
    for envelope in envelopes(traffic, generate(traffic, recount), size):
        made.append(envelope)
        tell(recount.events)
    return made


class Pool:
    """The workers of one installation; `started` by their logs."""

    def __init__(self, where: Installation, client: Client, started: Mapping[Path, Worker]) -> None:
        self._where, self._client, self._started = where, client, started
        self._totals = sql.load("clickhouse/queries/verify_totals")
        self._produced = 0

    def assigned(self) -> list[list[int]]:
        """The partitions of each worker, as its log says last."""
        found = []
        for path in self._started:
            said = _ASSIGNED.findall(path.read_text(errors="replace"))
            found.append([int(each) for each in said[-1].split(",") if each] if said else [])
        return found

    def warm_up(self, log: Sequence[Envelope]) -> Sequence[Envelope]:
        """Let every worker judge events of its share; the rest of the log."""
        self._wait(lambda: sorted(chain(*self.assigned())) == list(range(PARTITIONS)))
        few = len(log) // 20 + 1
        for at in range(2):  # a share may move while the first is judged
            self._produce(log[at * few : (at + 1) * few])
            self._wait(lambda: self._done() >= self._produced)
        return log[2 * few :]

    def measure(
        self, log: Sequence[Envelope], events: int, tell: Callable[[int], None]
    ) -> dict[str, Any]:
        """Fill the log, then watch until the ledger covers it."""
        self._produce(log)
        pids = {path.stem: each.pid for path, each in self._started.items()}
        costs = {name: ProcessCost(pid) for name, pid in {**pids, **self._where.pids}.items()}
        busy_before, began_seconds, first = busy_seconds(), monotonic_seconds(), self._done()
        self._wait(lambda: self._done(tell) >= events)
        seconds, window = monotonic_seconds() - began_seconds, events - first
        if not window:
            raise BenchmarkError("all was done before it could be measured: take more events")
        for cost in costs.values():
            cost.sample()
        spent = {name: cost.cpu_seconds * _MILLION / window for name, cost in costs.items()}
        whole = sum(cost.cpu_seconds for cost in costs.values())
        spent |= {"workers": sum(spent[name] for name in pids), "all": sum(spent.values())}
        return {
            "events": events,
            "window_events": window,
            "window_seconds": round(seconds, 3),
            "events_per_second": round(window / seconds),
            "cpu_seconds_per_million_events": {
                name: round(took, 2) for name, took in spent.items()
            },
            "other_cores": round(max(0.0, busy_seconds() - busy_before - whole) / seconds, 2),
        }

    def _done(self, tell: Callable[[int], None] = lambda _: None) -> int:
        rows = self._client.query(self._totals).named_results()
        done = sum(int(row["events"]) for row in rows)
        tell(done)
        return done

    def _produce(self, log: Sequence[Envelope]) -> None:
        producer = new_producer(self._where.endpoints)
        topic = self._where.endpoints.usage_events_topic()
        for partition, value, count in log:
            headers: list[tuple[str, str | bytes | None]] = [*envelope_headers(count)]
            producer.produce(topic, value, partition=partition, headers=headers)
            producer.poll(0)
            self._produced += count
        flush(producer)

    def _wait(self, done: Callable[[], bool]) -> None:
        deadline = monotonic_seconds() + _START_SECONDS + self._produced / _RATE_MIN
        while not done():
            for each in self._started.values():
                each.check()
            if monotonic_seconds() > deadline:
                tails = [each.log_tail() for each in self._started.values()]
                raise BenchmarkError(f"the workers {self.assigned()} are late: {tails}")
            time.sleep(_POLL_SECONDS)


if __name__ == "__main__":
    typer.run(main)
