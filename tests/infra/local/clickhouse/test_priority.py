"""Queries leave a core to others and step back; nothing else does, and no thread stays behind."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.infra.local.clickhouse.owner import Owner

CAP_SYS_NICE = 23
STEPPED_BACK = 10
SETTINGS = "SELECT getSetting('max_threads'), getSetting('os_threads_nice_value_query')"
SLOW = (
    "SELECT sum(sipHash64(number)) FROM numbers(1000000000000)"
    " SETTINGS max_execution_time = 1, timeout_overflow_mode = 'break'"
)


def ask(http: httpx.Client, query: str, **options: str) -> str:
    response = http.post("/", params=options, content=query)
    assert response.status_code == 200, response.text
    return response.text


def may_lower_and_raise(pid: int) -> bool:
    """Whether Linux lets the process raise a thread that it lowered."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> CAP_SYS_NICE & 1)
    raise AssertionError(pid)


def stepped_back(pid: int) -> int:
    """How many threads of the process run at the lowered priority."""
    count = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        try:
            count += os.getpriority(os.PRIO_PROCESS, int(thread.name)) == STEPPED_BACK
        except ProcessLookupError:
            continue
    return count


@pytest.fixture
def threads() -> int:
    """How many threads the engine gives a query by itself."""
    return len(os.sched_getaffinity(0))


def test_a_query_leaves_a_thread_to_others_unless_it_is_told_otherwise(
    http: httpx.Client, threads: int
) -> None:
    assert ask(http, SETTINGS) == f"{max(threads - 1, 1)}\t{STEPPED_BACK}\n"
    assert ask(http, SETTINGS, max_threads="7") == f"7\t{STEPPED_BACK}\n"
    assert ask(http, f"{SETTINGS} SETTINGS os_threads_nice_value_query = 0").endswith("\t0\n")


def test_what_a_session_set_wins_over_the_default(http: httpx.Client) -> None:
    ask(http, "SET max_threads = 7", session_id="own threads")
    for _ in range(2):
        assert ask(http, SETTINGS, session_id="own threads") == f"7\t{STEPPED_BACK}\n"
    assert ask(http, SETTINGS, session_id="own threads", max_threads="5").startswith("5\t")
    assert ask(http, SETTINGS, session_id="own threads", readonly="1").startswith("7\t")


def test_what_writes_does_not_step_back(http: httpx.Client) -> None:
    ask(http, "CREATE TABLE t (nice Int64) ENGINE = MergeTree ORDER BY nice")
    for options in ({}, {"session_id": "writes"}):
        ask(http, "SELECT 1", **options)
        ask(http, "INSERT INTO t SELECT getSetting('os_threads_nice_value_query')", **options)
    assert ask(http, "SELECT nice, count() FROM t GROUP BY nice") == "0\t2\n"


@pytest.mark.timed
def test_threads_step_back_for_a_query_alone(own_directory: Path) -> None:
    with Owner(own_directory) as owner:
        pid = owner.process.pid

        def run() -> None:
            with owner.http() as http:
                ask(http, SLOW)

        query = threading.Thread(target=run)
        query.start()
        most = 0
        while query.is_alive():
            most = max(most, stepped_back(pid))
            time.sleep(0.01)
        query.join()
        # Without the right to raise a thread again the engine must not lower it.
        assert (most > 0) == may_lower_and_raise(pid)
        deadline = time.monotonic() + 10
        while stepped_back(pid):
            assert time.monotonic() < deadline
            time.sleep(0.01)
