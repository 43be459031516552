"""One way to time a worker process, for the stream stage and its baseline alike."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.errors import BenchmarkError
from benchmarks.machine import ProcessCost, busy_seconds
from core.clock import monotonic_seconds

_REPOSITORY: Final = Path(__file__).parents[1]
_POLL_SECONDS: Final = 0.1
_STOP_SECONDS: Final = 15
_LOG_TAIL_CHARACTERS: Final = 2_000
_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Measurement:
    """How long a worker took, from the first progress that could be seen until everything was done.

    `window_events` events became durable in `window_seconds`. CPU seconds are those of the window,
    per million events; memory is the largest seen. `other_cores`: cores that everything else on the
    machine kept busy meanwhile; above a few tenths the rate says little.
    """

    events: int
    window_events: int
    window_seconds: float
    start_to_end_seconds: float
    cpu_seconds_per_million: dict[str, float]
    rss_peak_bytes: dict[str, int]
    other_cores: float

    @property
    def events_per_second(self) -> float:
        """The rate of the window."""
        return self.window_events / self.window_seconds


class Worker:
    """A worker process under measurement, with its output in a file."""

    def __init__(self, arguments: Sequence[str], environ: Mapping[str, str], log: Path) -> None:
        self._log = log
        self.started_seconds = monotonic_seconds()
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(_REPOSITORY), **environ},
                cwd=log.parent,
            )
        self.pid = self._process.pid

    def check(self) -> None:
        """Raise `BenchmarkError` with the end of the log when it has ended."""
        code = self._process.poll()
        if code is not None:
            raise BenchmarkError(f"the worker ended with {code}:\n{self.log_tail()}")

    def log_tail(self) -> str:
        """The end of what it printed."""
        return self._log.read_text(errors="replace")[-_LOG_TAIL_CHARACTERS:]

    def end(self) -> None:
        """Ask it to end, and kill it when it does not."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def worker(arguments: Sequence[str], environ: Mapping[str, str], log: Path) -> Iterator[Worker]:
    """`python -m ARGUMENTS`, ended afterwards."""
    running = Worker(arguments, environ, log)
    try:
        yield running
    finally:
        running.end()


def measure(
    running: Worker,
    done: Callable[[], int],
    target: int,
    events: int,
    servers: Mapping[str, int],
    timeout_seconds: float,
    tell: Callable[[int], None],
) -> Measurement:
    """Watch a worker until `done()` reaches `target`, which stands for `events` events.

    `servers`: pids of server processes whose cost counts, too. `tell` is told the events done.
    Raises `BenchmarkError` when the worker ends, or is not done after `timeout_seconds`.
    """
    costs = {name: ProcessCost(pid) for name, pid in {"worker": running.pid, **servers}.items()}
    first, began_seconds = 0, running.started_seconds
    busy_before = busy_seconds()
    while True:
        now_done, now_seconds = done(), monotonic_seconds()
        for cost in costs.values():
            cost.sample()
        tell(now_done * events // target)
        if now_done >= target:
            break
        if now_done and not first:
            first, began_seconds, busy_before = now_done, now_seconds, busy_seconds()
            for cost in costs.values():
                cost.begin()
        running.check()
        if now_seconds - running.started_seconds > timeout_seconds:
            raise BenchmarkError(
                f"only {now_done} of {target} were done after {timeout_seconds:.0f} s; the end of"
                f" the worker's log:\n{running.log_tail()}"
            )
        time.sleep(_POLL_SECONDS)
    busy = busy_seconds() - busy_before - sum(cost.cpu_seconds for cost in costs.values())
    window_events = events - first * events // target
    return Measurement(
        events,
        window_events,
        now_seconds - began_seconds,
        now_seconds - running.started_seconds,
        {name: cost.cpu_seconds * _MILLION / window_events for name, cost in costs.items()},
        {name: cost.rss_peak_bytes for name, cost in costs.items()},
        max(0.0, busy / (now_seconds - began_seconds)),
    )
