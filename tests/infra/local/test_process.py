from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from infra.local import process
from infra.local.process import ProcessRecord

_SLEEP = "import time; print('started', flush=True); time.sleep(300)"
_STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {_SLEEP}"
_WITH_CHILD = (
    f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', '''{_SLEEP}''']); {_SLEEP}"
)


class _Starter:
    def __init__(self, folder: Path) -> None:
        self.log = folder / "log"
        self.started: list[ProcessRecord] = []

    def __call__(self, program: str) -> ProcessRecord:
        record = process.start_detached([sys.executable, "-c", program], os.environ, self.log)
        self.started.append(record)
        assert process.wait_for(lambda: "started" in self.log.read_text(), timeout_seconds=20)
        return record


@pytest.fixture
def start(tmp_path: Path) -> Iterator[_Starter]:
    starter = _Starter(tmp_path)
    yield starter
    for record in starter.started:
        process.kill(record)


def test_a_detached_process_leads_its_own_session_and_writes_its_log(start: _Starter) -> None:
    record = start(_SLEEP)
    assert os.getsid(record.pid) == record.pid != os.getsid(0)
    assert start.log.stat().st_mode & 0o077 == 0


def test_stop_waits_for_a_clean_end(start: _Starter) -> None:
    record = start(_SLEEP)
    assert process.stop(record, signal.SIGTERM, timeout_seconds=10)
    assert process.find(record) is None


def test_stop_kills_a_process_that_ignores_the_signal(start: _Starter) -> None:
    record = start(_STUBBORN)
    assert not process.stop(record, signal.SIGTERM, timeout_seconds=0.3)
    assert process.find(record) is None


def test_a_reused_pid_is_never_signalled(start: _Starter) -> None:
    record = start(_SLEEP)
    other = replace(record, started_seconds=record.started_seconds - 60)
    assert process.find(other) is None
    assert process.stop(other, signal.SIGTERM, timeout_seconds=1)
    process.kill(other)
    assert process.find(record) is not None


def test_kill_ends_the_children_too(start: _Starter) -> None:
    record = start(_WITH_CHILD)
    [child] = psutil.Process(record.pid).children()
    process.kill(record)
    assert process.find(record) is None
    assert not child.is_running()


def test_a_process_that_ended_by_itself_is_found_no_more(start: _Starter) -> None:
    record = start("print('started')")
    assert process.wait_for(lambda: process.find(record) is None, timeout_seconds=10)
    assert not psutil.pid_exists(record.pid)  # reaped, not left as a zombie


def test_users_of_a_directory_are_found_by_argument_and_by_working_directory(
    start: _Starter, tmp_path: Path
) -> None:
    used = tmp_path / "used"
    used.mkdir()
    by_argument = start(f"{_SLEEP}  # {used}")
    by_folder = start(f"import os; os.chdir({str(used)!r}); {_SLEEP}".replace("started", "moved"))
    assert process.wait_for(lambda: "moved" in start.log.read_text(), timeout_seconds=20)
    found = {user.pid for user in process.users_of(used, "python")}
    assert found == {by_argument.pid, by_folder.pid}
    assert process.users_of(used, "postgres") == []


def test_waiting_ends_with_the_time() -> None:
    assert not process.wait_for(lambda: False, timeout_seconds=0.05)
