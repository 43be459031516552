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
def one_core_free() -> Iterator[int | None]:
    """A core for what is measured: this process, all that it started or starts keep to the others.

    None where there is only one core. Afterwards what runs may use all cores again.
    """
    before = os.sched_getaffinity(0)
    if len(before) == 1:
        yield None
        return
    core = max(before)
    try:
        _keep_all_to(before - {core})
        yield core
    finally:
        _keep_all_to(before)


def _keep_all_to(cores: Iterable[int]) -> None:
    me = psutil.Process()
    for each in (me, *me.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # it ended meanwhile
            keep_to(each.pid, cores)


def keep_to(pid: int, cores: Iterable[int]) -> None:
    """Let a process, with all threads that it has or makes, run on these cores only."""
    wanted = set(cores)
    for thread in psutil.Process(pid).threads():
        with suppress(ProcessLookupError):  # a thread may have ended meanwhile
            os.sched_setaffinity(thread.id, wanted)
