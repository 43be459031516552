"""Server processes that outlive the command that started them, and are never mistaken.

A pid alone says little: pids are reused. A record therefore holds the pid and when the process
started, counted from boot, so that a step of the wall clock changes nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from core.clock import monotonic_seconds

_START_TOLERANCE_SECONDS: Final = 0.5
_POLL_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A process as it was started: `started_seconds` is its start in seconds after boot."""

    pid: int
    started_seconds: float


def start_detached(
    argv: Sequence[str], environ: Mapping[str, str], log_path: Path
) -> ProcessRecord:
    """Start a process in a session of its own, its output appended to `log_path`.

    It does not end with the terminal or the process that calls this. Raises `OSError` when the
    executable cannot be run.
    """
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log_path), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    defaults = [signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGTERM]
    pid = os.posix_spawn(
        argv[0],
        list(argv),
        environ,
        file_actions=actions,
        setsid=True,
        setsigmask=[],
        setsigdef=defaults,
    )
    return record_of(pid)


def record_of(pid: int) -> ProcessRecord:
    """The record of a process that exists now. Raises `psutil.NoSuchProcess`."""
    return ProcessRecord(pid, _started_seconds(psutil.Process(pid)))


def find(record: ProcessRecord | None) -> psutil.Process | None:
    """The live process of a record; None when it ended, or its pid now belongs to another."""
    if record is None:
        return None
    try:
        process = psutil.Process(record.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            process.wait(timeout=0)  # a child of ours: take it off the process table
            return None
        drift = abs(_started_seconds(process) - record.started_seconds)
    except psutil.Error:
        return None
    return process if drift < _START_TOLERANCE_SECONDS else None


def stop(record: ProcessRecord | None, stop_signal: signal.Signals, timeout_seconds: float) -> bool:
    """Ask a process to end, wait, and kill it when it does not. True when it ended by itself."""
    process = find(record)
    if process is None:
        return True
    try:
        process.send_signal(stop_signal)
        process.wait(timeout=timeout_seconds)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        kill(record)
        return False
    return True


def kill(record: ProcessRecord | None, timeout_seconds: float = 10.0) -> None:
    """SIGKILL a process and its children; return when they are gone."""
    process = find(record)
    if process is None:
        return
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    psutil.wait_procs(family, timeout=timeout_seconds)


def users_of(directory: Path, program: str) -> list[psutil.Process]:
    """Live processes of `program` that name `directory` on their command line or work in it."""
    found = []
    for process in psutil.process_iter():
        try:
            if _uses(process, program, str(directory)):
                found.append(process)
        except psutil.Error:
            continue  # ended meanwhile, or belongs to somebody else
    return found


def wait_for(condition: Callable[[], bool], timeout_seconds: float) -> bool:
    """Ask until `condition` holds; False when the time is over first."""
    deadline = monotonic_seconds() + timeout_seconds
    while not condition():
        if monotonic_seconds() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _uses(process: psutil.Process, program: str, directory: str) -> bool:
    if process.pid == os.getpid() or not process.name().startswith(program):
        return False
    if process.status() == psutil.STATUS_ZOMBIE:
        return False
    return process.cwd() == directory or any(directory in word for word in process.cmdline())


def _started_seconds(process: psutil.Process) -> float:
    return float(process.create_time() - psutil.boot_time())
