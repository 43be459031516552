"""Who runs on which core, so that what is measured can have one to itself.

Where a server, its broker and its load share two cores, each waits for the others' turns to end:
that is told as the latency of the server, and is what the machine is short of.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

import psutil


@contextmanager
def one_core_free(pids: Iterable[int]) -> Iterator[int | None]:
    """A core for what is measured: this process, what it starts, and `pids` keep to the others.

    None where there is only one core. Afterwards all may use all cores again.
    """
    before, everyone = os.sched_getaffinity(0), (os.getpid(), *pids)
    if len(before) == 1:
        yield None
        return
    core = max(before)
    try:
        for pid in everyone:
            keep_to(pid, before - {core})
        yield core
    finally:
        for pid in everyone:
            keep_to(pid, before)


def keep_to(pid: int, cores: Iterable[int]) -> None:
    """Let a process, with all threads that it has or makes, run on these cores only."""
    wanted = set(cores)
    for thread in psutil.Process(pid).threads():
        with suppress(ProcessLookupError):  # a thread may have ended meanwhile
            os.sched_setaffinity(thread.id, wanted)
