"""What was measured on, and what a process costs while it is measured."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

_REPOSITORY: Final = Path(__file__).parents[1]
_GIT_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine as a reader of the figures wants to know it."""

    cores: int
    cpu: str
    memory_bytes: int
    system: str
    python: str


def describe_machine() -> Machine:
    """This machine; `cores` are those that this process may use."""
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        cpu=_cpu_model(),
        memory_bytes=psutil.virtual_memory().total,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
    )


def _cpu_model() -> str:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.machine()


def commit() -> str:
    """The commit checked out, `+changes` behind it where files differ; `unknown` without git."""
    try:
        return _git("rev-parse", "HEAD") + ("+changes" if _git("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(_REPOSITORY), *arguments]
    done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=_GIT_SECONDS)
    return done.stdout.strip()


def busy_seconds() -> float:
    """CPU seconds that the whole machine has worked since boot."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


class ProcessCost:
    """CPU seconds of a process between `begin` and `end`, and its largest memory seen."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._began_seconds = self._cpu_seconds()
        self.cpu_seconds = 0.0
        self.rss_peak_bytes = 0

    def begin(self) -> None:
        """Count CPU time from now on."""
        self._began_seconds = self._cpu_seconds()

    def sample(self) -> None:
        """Look at the process once; the memory of one that ended stays as it was seen last."""
        try:
            self.cpu_seconds = self._cpu_seconds() - self._began_seconds
            self.rss_peak_bytes = max(self.rss_peak_bytes, self._process.memory_info().rss)
        except psutil.NoSuchProcess:
            return

    def _cpu_seconds(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)
