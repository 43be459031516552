"""`python -m benchmarks.bench_ingest`: events per second of one core of an ingest server.

Ours beside an idiomatic FastAPI server and a callable that only reads and answers. Each server has
a core to itself; client and Kafka share the others, and may be what is short, so the rate of a core
is what counts: events per CPU second of the server's process. Exits with 1 when an event is missing
in Kafka or a gate is missed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Final

import typer

from benchmarks.cores import keep_to, one_core_free
from benchmarks.errors import BenchmarkError
from benchmarks.events import Recount, Traffic, generate
from benchmarks.figures import RESULTS, Bound, Outcome, conclude
from benchmarks.in_log import logged_events
from benchmarks.installation import PARTITIONS, Installation, Servers, servers
from benchmarks.machine import ProcessCost
from benchmarks.measuring import Worker, worker
from benchmarks.producing import warm_broker
from benchmarks.progress import Step, new_bars, reporter, stepper
from benchmarks.requests_file import write_requests
from benchmarks.running import create_topic
from benchmarks.whole_path import INGEST, url_of
from core.clock import SystemClock
from core.errors import TollbookError
from db.postgres import Database
from identity.api_keys import insert_api_key

EVENTS: Final = 1_000_000
_FULL_FACTOR: Final = 5
_MILLION: Final = 1_000_000
_SATURATION: Final = 0.7
_TICK_SECONDS: Final = 0.01
"""The kernel counts CPU time in such steps: a short run may seem to cost nothing."""

_REPOSITORY: Final = Path(__file__).parents[1]

OURS: Final = "ingest"
PLAIN: Final = "plain FastAPI"
NULL: Final = "null callable"
CONNECTIONS: Final = {1: 256, 100: 64, 1_000: 16}
SHARES: Final = {1: 25, 100: 4, 1_000: 1}
"""Of the events, so many-th are sent in requests of each size; the plain server gets a tenth."""

BOUNDS: Final = (
    Bound("1: x plain FastAPI", least=4),
    Bound("100: x plain FastAPI", least=6),
    Bound("1: share of the null callable", least=0.4),
    Bound("1,000: events per core second", least=300_000),
    Bound("1: p99 at 70 % of saturation, ms", most=20),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """A run: a server, how many events, how many in a request; how often their latency."""

    server: str
    events: int
    batch: int
    slices: int = 0


def main(
    events: Annotated[int, typer.Option(min=10_000, help="In requests of 1,000.")] = EVENTS,
    slices: Annotated[
        int, typer.Option(min=1, help="So often the latency of single events is measured.")
    ] = 9,
    full: Annotated[bool, typer.Option("--full", help="Five times as many.")] = False,
    gates: Annotated[bool, typer.Option(help="Fail below the stated figures.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    results: Annotated[Path, typer.Option(help="Where to store the figures.")] = RESULTS
    / "ingest.json",
) -> None:
    """Measure ingest beside its baselines, and count what is in Kafka.

    Example: python -m benchmarks.bench_ingest --events 40000 --no-gates
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    events *= _FULL_FACTOR if full else 1
    plans = [
        Plan(server, max(batch, events // share // (10 if server == PLAIN else 1)), batch, slices)
        for batch, share in SHARES.items()
        for server in (PLAIN, NULL, OURS)
    ]
    try:
        with new_bars() as bars, servers(os.environ, reporter(bars)) as running:
            _warm(running, stepper(bars))
            with one_core_free() as core:
                runs = [_run(running, plan, core, stepper(bars)) for plan in plans]
    except (BenchmarkError, TollbookError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    differences = [f"{run['run']}: {line}" for run in runs for line in run["differences"]]
    outcome = Outcome("ingest", runs, _figures(runs), BOUNDS, differences)
    if conclude(outcome, results, gates=gates, as_json=as_json):
        raise typer.Exit(1)


def _figures(runs: Sequence[dict[str, Any]]) -> dict[str, float]:
    found: dict[str, float] = {}
    rates = {(run["server"], run["batch_events"]): run["events_per_core_second"] for run in runs}
    for batch in SHARES:
        ours = rates[OURS, batch]
        found[f"{batch:,}: events per core second"] = ours
        found[f"{batch:,}: x plain FastAPI"] = ours / rates[PLAIN, batch]
        found[f"{batch:,}: share of the null callable"] = ours / rates[NULL, batch]
    for run in runs:
        if "latency_ms" in run:
            whose = "" if run["server"] == OURS else f" of the {run['server']}"
            found[f"1: p99 at 70 % of saturation{whose}, ms"] = run["latency_ms"][1]
    return found


def _warm(running: Servers, step: Step) -> None:
    with running.installation() as where, step("the broker warms up", 0):
        topic = f"{where.endpoints.topic_prefix}warm"
        create_topic(where, topic, PARTITIONS)
        warm_broker(where.endpoints, topic)


def _run(running: Servers, plan: Plan, core: int | None, step: Step) -> dict[str, Any]:
    name = f"{plan.server}, {plan.batch:,}"
    with running.installation() as where, step(name, 0):
        log, topic = where.folder / "server.log", f"{where.endpoints.topic_prefix}plain"
        with Database(where.endpoints.postgres) as db, db.transaction() as conn:
            key = insert_api_key(conn, SystemClock(), where.tenant_id, "benchmark")
        create_topic(where, topic, PARTITIONS)
        arguments = {
            OURS: INGEST,
            PLAIN: ("benchmarks.plain_ingest", topic, key),
            NULL: ("benchmarks.null_ingest",),
        }[plan.server]
        with worker(arguments, where.endpoints.as_environment(), log) as process:
            if core is not None:
                keep_to(process.pid, {core})
            found = _measured(where, plan, process, url_of(process, log), key)
            if plan.server == OURS:
                topic = where.endpoints.usage_events_topic()
            sent = found.pop("sent")
            logged = sent if plan.server == NULL else logged_events(where.endpoints, topic)
        differences = [] if logged == sent else [f"{logged} of {sent} events are in Kafka"]
        return {"run": name, "core": core, **found, "differences": differences}


def _measured(
    where: Installation, plan: Plan, process: Worker, url: str, key: str
) -> dict[str, Any]:
    """Warm up, send all at once; single events also at a part of the rate that they reach."""
    timed = plan.server in (OURS, NULL) and plan.batch == 1
    slice_events = plan.events // 2 if timed else 0
    sizes = [max(plan.events // 10, plan.batch), plan.events, *[slice_events] * (2 * plan.slices)]
    total = -(-sum(sizes) // PARTITIONS) * PARTITIONS
    traffic = Traffic(total, str(where.tenant_id), PARTITIONS, conflict_per_mille=0)
    events = generate(traffic, Recount())
    files = [where.folder / f"{number}.requests" for number in range(len(sizes))]
    for file, many in zip(files, sizes, strict=True):
        write_requests(file, events, many, plan.batch, url, key)
    connections = CONNECTIONS[plan.batch]
    _send(files[0], url, connections)
    cost = ProcessCost(process.pid)
    cost.begin()
    sent = _send(files[1], url, connections)
    cost.sample()
    cpu_seconds = max(cost.cpu_seconds, _TICK_SECONDS)
    window_seconds = sent["ended_seconds"] - sent["began_seconds"]
    found: dict[str, Any] = {
        "server": plan.server,
        "batch_events": plan.batch,
        "events": plan.events,
        "connections": connections,
        "events_per_second": round(plan.events / window_seconds),
        "events_per_core_second": round(plan.events / cpu_seconds),
        "server_cores": round(cpu_seconds / window_seconds, 2),
        "acknowledged_ms": [sent["acknowledged_ms_p50"], sent["acknowledged_ms_p99"]],
        "sent": sum(sizes),
    }
    if timed:
        found |= _paced(files[2:], slice_events, url, connections)
    return found


def _paced(files: Sequence[Path], many: int, url: str, connections: int) -> dict[str, Any]:
    """By turns all at once, and at a part of the rate that this gave; the median of the slices.

    What a core does in a second changes by a third from one minute to the next where others have
    the same machine: a rate measured a minute ago may be more than there is now.
    """
    slices = []
    for at_once, paced in zip(files[::2], files[1::2], strict=True):
        sent = _send(at_once, url, connections)
        saturation = many / (sent["ended_seconds"] - sent["began_seconds"])
        found = _send(paced, url, connections, _SATURATION * saturation)
        slices.append((found["acknowledged_ms_p50"], found["acknowledged_ms_p99"], saturation))
    middles, lates, rates = zip(*slices, strict=True)
    return {
        "latency_ms": [median(middles), median(lates)],
        "latency_ms_p99_slices": lates,
        "saturation_per_second": round(median(rates)),
    }


def _send(file: Path, url: str, connections: int, rate: float | None = None) -> dict[str, Any]:
    arguments = [str(file), url, str(connections), *([str(rate)] if rate else [])]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.http_client", *arguments],
        cwd=_REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise BenchmarkError(f"the client ended: {done.stderr.strip()[-500:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    typer.run(main)
