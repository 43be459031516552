"""Real processes of Tollbook, killed and paused as machines do it. Only what was started here."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from core.clock import monotonic_seconds
from core.endpoints import Endpoints

_READY_SECONDS = 60.0
_STOP_SECONDS = 30.0


class Process:
    """`tollbook ARGUMENTS`, with its output in a file. A started process is always reaped."""

    def __init__(self, name: str, arguments: list[str], endpoints: Endpoints, folder: Path) -> None:
        self.name, self._arguments = name, arguments
        self._environ = {**os.environ, **endpoints.as_environment()}
        self.log = folder / f"{name}.log"
        self._running: subprocess.Popen[bytes] | None = None
        self.starts = 0

    def start(self) -> None:
        """Start it; a running one stays."""
        if self.alive():
            return
        self.starts += 1
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(
                [sys.executable, "-m", "cli.main", *self._arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environ,
            )

    def alive(self) -> bool:
        """Whether it was started and has not ended."""
        return self._running is not None and self._running.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; SIGKILL and SIGTERM are followed until the process has ended."""
        assert self._running is not None, f"{self.name} was not started"
        self._running.send_signal(number)
        if number in {signal.SIGKILL, signal.SIGTERM}:
            self._running.wait(_STOP_SECONDS)

    def end(self) -> None:
        """Kill it if it still runs, paused ones too."""
        if self.alive():
            self.signal(signal.SIGKILL)

    def read_log(self) -> str:
        """Everything it printed so far, over all its starts."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until its output holds the pattern."""
        deadline = monotonic_seconds() + _READY_SECONDS
        while not (found := re.search(pattern, self.read_log())):
            assert self.alive(), f"{self.name} ended:\n{self.read_log()[-3000:]}"
            assert monotonic_seconds() < deadline, f"{self.name}:\n{self.read_log()[-3000:]}"
            _pause()
        return found


def _pause() -> None:
    subprocess.run(["sleep", "0.05"], check=True)
