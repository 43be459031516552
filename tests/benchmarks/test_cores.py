from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from benchmarks.cores import keep_to, one_core_free


def cores_of(pid: int) -> list[set[int]]:
    """Of each thread."""
    return [os.sched_getaffinity(each.id) for each in psutil.Process(pid).threads()]


def test_a_core_is_free_of_all_that_is_named_and_begun() -> None:
    before = os.sched_getaffinity(0)
    assert len(before) > 1, "a machine with two cores or more"
    waiting = (sys.executable, "-c", "input()")
    with subprocess.Popen(waiting, stdin=subprocess.PIPE) as broker:
        with one_core_free([broker.pid]) as core:
            assert core in before
            others = before - {core}
            assert cores_of(broker.pid) == [others]
            assert all(each == others for each in cores_of(os.getpid()))
            with subprocess.Popen(waiting, stdin=subprocess.PIPE) as measured:
                assert cores_of(measured.pid) == [others], "as whoever began it"
                keep_to(measured.pid, {core})
                assert cores_of(measured.pid) == [{core}]
        assert cores_of(broker.pid) == [before]
    assert all(each == before for each in cores_of(os.getpid()))


def test_where_there_is_one_core_nothing_is_kept_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    monkeypatch.delattr(os, "sched_setaffinity")
    with one_core_free([os.getpid()]) as core:
        assert core is None
