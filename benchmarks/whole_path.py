"""One run of the whole path: requests over HTTP until ClickHouse proves every event."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

import sql
from benchmarks.checking import check_stage
from benchmarks.errors import BenchmarkError
from benchmarks.events import Recount, Traffic, generate
from benchmarks.installation import PARTITIONS, Installation, Servers, load_sql
from benchmarks.machine import ProcessCost, busy_seconds
from benchmarks.measuring import Worker, worker
from benchmarks.requests_file import write_requests
from benchmarks.running import stage_plan
from core.clock import SystemClock, epoch_micros, monotonic_seconds
from db.clickhouse import connect_clickhouse
from db.postgres import Database
from identity.api_keys import insert_api_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clickhouse_connect.driver.client import Client

    from benchmarks.progress import Step

_REPOSITORY: Final = Path(__file__).parents[1]
INGEST: Final = ("cli.main", "serve", "ingest", "--port", "0", "--state-dir", "state")
"""How an ingest process is started; `url_of` says where it listens."""

_LISTENING: Final = "listening on "
_START_SECONDS: Final = 120
_RATE_MIN: Final = 2_000
"""Events/s below which a run is given up."""

_POLL_SECONDS: Final = 0.1
_MILLION: Final = 1_000_000
_LATE: Final = 0.99


@dataclass(frozen=True, slots=True)
class PathPlan:
    """A run: `events` at full load in requests of `batch`, half as many at half load."""

    events: int
    batch: int
    connections: int

    @property
    def name(self) -> str:
        """What ran."""
        return f"path, {self.batch:,}"

    @property
    def warming(self) -> int:
        """Events before anything is measured: what is compiled is compiled then."""
        return max(self.events // 10, 8_000)

    @property
    def paced(self) -> int:
        """Events at half load."""
        return self.events // 2


@dataclass(slots=True)
class Seen:
    """Answers of ClickHouse: when, and up to where the ledger proved each partition then."""

    micros: list[int] = field(default_factory=list)
    ends: list[list[int]] = field(default_factory=list)

    def freshness(self, arrivals: Mapping[str, Any]) -> list[float]:
        """Seconds from received to visible: of half the events at most, and of 99 in 100.

        arrivals: partition, offset, received_us, many, one array each. An event is visible with the
        first answer that came after the ledger covered it.
        """
        micros, ends = np.array(self.micros), np.array(self.ends)
        ages = np.empty(len(arrivals["offset"]))
        for partition in range(ends.shape[1]):
            mine = arrivals["partition"] == partition
            offsets = arrivals["offset"][mine].astype(np.int64)
            first = np.searchsorted(ends[:, partition], offsets, side="right")
            ages[mine] = (micros[first] - arrivals["received_us"][mine]) / _MILLION
        order = np.argsort(ages)
        share = np.cumsum(arrivals["many"][order]) / arrivals["many"].sum()
        return [float(ages[order][np.searchsorted(share, at)]) for at in (0.5, _LATE)]


class Pipeline:
    """The running processes of one installation."""

    def __init__(self, where: Installation, url: str, pids: Mapping[str, int]) -> None:
        self._where, self._url, self.pids = where, url, pids
        self._totals = sql.load("clickhouse/queries/verify_totals")
        self._done = 0
        self.client: Client = connect_clickhouse(where.endpoints.clickhouse)

    def ends(self) -> tuple[int, list[int]]:
        """Events that the ledger proves, and the proved end of each partition."""
        ends, events = [0] * PARTITIONS, 0
        for row in self.client.query(self._totals).named_results():
            ends[row["partition"]] = row["end"]
            events += int(row["events"])
        return events, ends

    def send(
        self, file: Path, events: int, connections: int, rate: float | None = None
    ) -> tuple[dict[str, Any], Seen]:
        """Send a file; wait until the ledger proves it. What it cost, and what was seen."""
        costs = {name: ProcessCost(pid) for name, pid in self.pids.items()}
        busy_before, target = busy_seconds(), self._done + events
        seen, deadline = Seen(), monotonic_seconds() + _START_SECONDS + events / _RATE_MIN
        with _client(file, self._url, connections, rate) as process:
            while True:
                done, ends = self.ends()
                seen.micros.append(epoch_micros(SystemClock().now()))
                seen.ends.append(ends)
                now_seconds = monotonic_seconds()
                if done >= target and process.poll() is not None:
                    break
                if process.poll() or now_seconds > deadline:
                    raise BenchmarkError(self._trouble(process, done, target))
                time.sleep(_POLL_SECONDS)
            output, _ = process.communicate()
        for cost in costs.values():
            cost.sample()
        busy = busy_seconds() - busy_before
        self._done = target
        sent = json.loads(output)
        window_seconds = now_seconds - sent["began_seconds"]
        cpu = {"client": sent["cpu_seconds"]}
        cpu |= {name: cost.cpu_seconds for name, cost in costs.items()}
        return {
            "events": events,
            "window_seconds": round(window_seconds, 3),
            "events_per_second": round(events / window_seconds),
            "sent_per_second": round(events / (sent["ended_seconds"] - sent["began_seconds"])),
            "acknowledged_ms": [sent["acknowledged_ms_p50"], sent["acknowledged_ms_p99"]],
            "cpu_seconds_per_million_events": {
                name: round(seconds * _MILLION / events, 2) for name, seconds in cpu.items()
            },
            "other_cores": round(max(0.0, busy - sum(cpu.values())) / window_seconds, 2),
        }, seen

    def _trouble(self, process: subprocess.Popen[str], done: int, target: int) -> str:
        if process.poll():
            return f"the client ended: {process.communicate()[1].strip()[-500:]}"
        sent = "sent them" if process.poll() == 0 else "is still sending"
        tails = [
            f"{one.name}: {one.read_text()[-1_000:]}" for one in self._where.folder.glob("*.log")
        ]
        return f"only {done} of {target} events are proved, the client {sent}\n" + "\n".join(tails)


@contextmanager
def _client(
    file: Path, url: str, connections: int, rate: float | None
) -> Iterator[subprocess.Popen[str]]:
    arguments = [str(file), url, str(connections), *([str(rate)] if rate else [])]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.http_client", *arguments],
        cwd=_REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def run_path(servers: Servers, plan: PathPlan, step: Step) -> dict[str, Any]:
    """Warm up, run at full load and at half load, and hold the results to the recount."""
    total = -(-(plan.warming + plan.events + plan.paced) // PARTITIONS) * PARTITIONS
    sizes = (plan.warming, plan.events, total - plan.warming - plan.events)
    envelope_events = plan.batch // PARTITIONS  # a request becomes one for each partition
    with servers.installation(envelope_events) as where, ExitStack() as running:
        traffic = Traffic(total, str(where.tenant_id), PARTITIONS, conflict_per_mille=0)
        recount, environ = Recount(), where.endpoints.as_environment()
        started: list[Worker] = []
        with (
            Database(where.endpoints.postgres) as db,
            db.transaction() as conn,
        ):  # before ingest reads which keys there are
            key = insert_api_key(conn, SystemClock(), where.tenant_id, "benchmark")
        for name, arguments in (("ingest", INGEST), ("worker", stage_plan(1, 1).arguments)):
            log = where.folder / f"{name}.log"
            started.append(running.enter_context(worker(arguments, environ, log)))
        ingest, streams = started
        url = url_of(ingest, where.folder / "ingest.log")
        files = [where.folder / f"{name}.requests" for name in ("warming", "full", "half")]
        events = generate(traffic, recount)
        for file, many in zip(files, sizes, strict=True):
            with step(f"{plan.name}: preparing {file.stem}", 0):
                write_requests(file, events, many, plan.batch, url, key)
        pids = {"ingest": ingest.pid, "worker": streams.pid, **where.pids}
        path = Pipeline(where, url, pids)
        running.enter_context(closing(path.client))
        found = _phases(path, plan, files, sizes, step)
        with step(f"{plan.name}: checking", 0):
            differences = check_stage(where, traffic, recount)
        return {
            "run": plan.name,
            "batch_events": plan.batch,
            "connections": plan.connections,
            "request_bytes_per_event": round(files[1].stat().st_size / plan.events, 1),
            "accepted": recount.accepted,
            "duplicates": recount.duplicates,
            **found,
            "differences": differences,
        }


def _phases(
    path: Pipeline, plan: PathPlan, files: Sequence[Path], sizes: Sequence[int], step: Step
) -> dict[str, Any]:
    with step(f"{plan.name}: warming up", 0):
        path.send(files[0], sizes[0], plan.connections)
    with step(f"{plan.name}: full load", 0):
        full, _ = path.send(files[1], sizes[1], plan.connections)
    _, ends = path.ends()
    rate = full["events_per_second"] / 2
    with step(f"{plan.name}: half load", 0):
        half, seen = path.send(files[2], sizes[2], plan.connections, rate)
    found = path.client.query(
        load_sql("select_arrivals"), parameters={"ends": ends}, column_oriented=True
    )
    columns = dict(zip(found.column_names, map(np.array, found.result_columns), strict=True))
    middle, late = seen.freshness(columns)
    half |= {"freshness_seconds_p50": round(middle, 3), "freshness_seconds_p99": round(late, 3)}
    return {"full_load": full, "half_load": half}


def url_of(ingest: Worker, log: Path) -> str:
    """Where a server listens that prints it. Raises `BenchmarkError` when it does not."""
    deadline = monotonic_seconds() + _START_SECONDS
    while monotonic_seconds() < deadline:
        ingest.check()
        for line in log.read_text(errors="replace").splitlines():
            if line.startswith(_LISTENING):
                return line.removeprefix(_LISTENING).strip()
        time.sleep(_POLL_SECONDS)
    raise BenchmarkError(f"ingest does not listen:\n{ingest.log_tail()}")
