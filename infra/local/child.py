"""A `tollbook` process in the background, with its output in a file: for the demo and scenarios.

The child belongs to whoever started it: it is killed, paused and ended by its own handle only.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from core.clock import monotonic_seconds
from core.endpoints import Endpoints
from infra.local.errors import StackError

_READY_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.05
_TAIL_CHARACTERS: Final = 3000


class Child:
    """`tollbook ARGUMENTS` against `endpoints`, logging to `<folder>/<name>.log`.

    `environ` is what it inherits beside the endpoints.
    """

    def __init__(
        self,
        name: str,
        arguments: list[str],
        endpoints: Endpoints,
        folder: Path,
        environ: Mapping[str, str],
    ) -> None:
        self.name, self._arguments = name, arguments
        self._environ = {**environ, **endpoints.as_environment()}
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

    def exit_code(self) -> int | None:
        """How it ended, None while it runs or was never started."""
        return None if self._running is None else self._running.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; SIGKILL and SIGTERM are followed until the process has ended."""
        if self._running is None:
            raise StackError(f"{self.name} was not started")
        self._running.send_signal(number)
        if number in {signal.SIGKILL, signal.SIGTERM}:
            self._running.wait(_STOP_SECONDS)

    def end(self) -> None:
        """Kill it if it still runs, a paused one too."""
        if self.alive():
            self.signal(signal.SIGKILL)

    def read_log(self) -> str:
        """Everything it printed so far, over all its starts."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until its output holds the pattern. Raises `StackError` when that never comes."""
        deadline = monotonic_seconds() + _READY_SECONDS
        while not (found := re.search(pattern, self.read_log())):
            if not self.alive() or monotonic_seconds() > deadline:
                what = "did not get ready" if self.alive() else "ended"
                tail = self.read_log()[-_TAIL_CHARACTERS:]
                raise StackError(f"{self.name} {what}; the end of its log {self.log}:\n{tail}")
            time.sleep(_POLL_SECONDS)
        return found
