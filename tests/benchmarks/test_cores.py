from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from benchmarks.cores import keep_to, one_core_free

_WAITING = (sys.executable, "-c", "input()")


def cores_of(pid: int) -> list[set[int]]:
    """Of each thread."""
    return [os.sched_getaffinity(each.id) for each in psutil.Process(pid).threads()]


def test_a_core_is_free_of_all_that_was_begun_or_is() -> None:
    before = os.sched_getaffinity(0)
    shell = ("sh", "-c", f"{sys.executable} -c 'print(1, flush=True); input()'; true")
    with subprocess.Popen(shell, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as stack:
        assert stack.stdout is not None
        stack.stdout.readline()
        [server] = psutil.Process(stack.pid).children()
        with one_core_free() as core:
            others = before - {core} if len(before) > 1 else before
            assert (core in before) == (len(before) > 1)
            for pid in (os.getpid(), stack.pid, server.pid):
                assert all(each == others for each in cores_of(pid))
            with subprocess.Popen(_WAITING, stdin=subprocess.PIPE) as measured:
                assert cores_of(measured.pid) == [others], "as whoever began it"
                keep_to(measured.pid, before - others or before)
                assert cores_of(measured.pid) == [before - others or before]
        for pid in (os.getpid(), stack.pid, server.pid):
            assert all(each == before for each in cores_of(pid))


def test_where_there_is_one_core_nothing_is_kept_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    monkeypatch.delattr(os, "sched_setaffinity")
    with one_core_free() as core:
        assert core is None
