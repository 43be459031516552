"""A stream worker from the nursery: armed, started, frozen, killed, asked how it ended."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from core.clock import monotonic_seconds
from core.endpoints import Endpoints
from tests.faults.nursery import Nursery

_POLL_SECONDS: Final = 0.02
_END_SECONDS: Final = 30.0


class ForkedWorker:
    """`tollbook serve streams`, as often as it is started; each start has a log file of its own."""

    def __init__(self, name: str, nursery: Nursery, endpoints: Endpoints, folder: Path) -> None:
        self.name, self._nursery, self._endpoints, self._folder = name, nursery, endpoints, folder
        self.data_dir = folder / "state" / "streams" / name
        self.reached = folder / f"{name}.reached"
        self.starts = 0
        self.pid: int | None = None

    def start(self, fault: str | None = None, clock_steps: int | None = None) -> None:
        """Start it, armed with a crash point (`POINT:NTH`, `POINT:NTH::stop`) or not."""
        assert not self.alive(), f"{self.name} runs"
        self.starts += 1
        environ = {**os.environ, **self._endpoints.as_environment()}
        if fault is not None:
            point, nth, *verb = fault.split(":")
            environ["TOLLBOOK_FAULT"] = ":".join((point, nth, str(self.reached), *verb[1:]))
        arguments = ["serve", "streams", "--worker-id", self.name]
        arguments += ["--state-dir", str(self._folder / "state")]
        self.pid = self._nursery.start(arguments, environ, self.log, clock_steps)

    @property
    def log(self) -> Path:
        """The output of the last start."""
        return self._folder / f"{self.name}.{self.starts}.log"

    def ended(self) -> int | None:
        """How the last start ended, as `Popen.returncode`; None while it lives."""
        assert self.pid is not None
        return self._nursery.status(self.pid)

    def alive(self) -> bool:
        """Whether it was started and has not ended."""
        return self.pid is not None and self.ended() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; SIGKILL and SIGTERM are followed until the process has ended."""
        assert self.pid is not None
        if self.ended() is not None:
            return
        os.kill(self.pid, number)
        if number in {signal.SIGKILL, signal.SIGTERM}:
            assert self.wait_ended(_END_SECONDS) is not None, f"{self.name} does not end"

    def end(self) -> None:
        """Kill it if it runs."""
        if self.alive():
            self.signal(signal.SIGKILL)

    def wait_ended(self, seconds: float) -> int | None:
        """How it ended, or None when it did not within this time."""
        deadline = monotonic_seconds() + seconds
        while (code := self.ended()) is None and monotonic_seconds() < deadline:
            time.sleep(_POLL_SECONDS)
        return code

    def wait_for(self, pattern: str, seconds: float = 60.0) -> bool:
        """Wait until its output holds the pattern; False when it ended or the time is over."""
        deadline = monotonic_seconds() + seconds
        while not re.search(pattern, self.read_log()):
            if not self.alive() or monotonic_seconds() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def wait_reached(self, seconds: float) -> bool:
        """Wait until it says that the point it was armed with is reached."""
        before = len(self.points_reached())
        deadline = monotonic_seconds() + seconds
        while len(self.points_reached()) == before:
            if not self.alive() or monotonic_seconds() > deadline:
                return len(self.points_reached()) > before
            time.sleep(_POLL_SECONDS)
        return True

    def points_reached(self) -> list[str]:
        """The points at which it died or froze so far, in order."""
        text = self.reached.read_text(encoding="utf-8") if self.reached.exists() else ""
        return [line.split(":")[0] for line in text.splitlines()]

    def read_log(self) -> str:
        """What it printed since its last start."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def how(code: int | None) -> str:
    """A return code in words, for reports."""
    names: Mapping[int, str] = {0: "ended cleanly", 9: "died at its point", 70: "failed"}
    if code is None:
        return "lives"
    return (
        f"killed by {signal.Signals(-code).name}" if code < 0 else names.get(code, f"exit {code}")
    )
