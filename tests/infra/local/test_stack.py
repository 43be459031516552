from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from core.endpoints import VARIABLES
from infra.local import process
from infra.local import stack as stack_module
from infra.local.errors import (
    DiskFullError,
    PartDiedError,
    PortTakenError,
    StackError,
    StateInUseError,
)
from infra.local.ports import Ports
from infra.local.process import ProcessRecord
from infra.local.stack import PART_NAMES, LocalStack

_ENVIRON = {name: value for name, value in os.environ.items() if name not in VARIABLES}


@pytest.fixture
def idle_stack(tmp_path: Path) -> LocalStack:
    return LocalStack(tmp_path / "state", environ=_ENVIRON)


def test_every_part_answers_and_says_where_it_is(stack: LocalStack) -> None:
    found = stack.status()
    assert [part.name for part in found] == list(PART_NAMES)
    assert {part.state for part in found} == {"running"}
    assert all(part.pid == stack.pid(part.name) and part.problem is None for part in found)
    assert all("@" not in part.address for part in found)  # passwords stay in the state directory


def test_parts_lead_sessions_of_their_own(stack: LocalStack) -> None:
    pids = [stack.pid(name) for name in PART_NAMES]
    assert all(pid is not None and os.getsid(pid) == pid for pid in pids)


def test_starting_a_running_stack_changes_nothing(stack: LocalStack) -> None:
    before = [stack.pid(name) for name in PART_NAMES]
    stack.start()
    assert [stack.pid(name) for name in PART_NAMES] == before


def test_a_running_stack_keeps_its_ports(stack: LocalStack) -> None:
    moved = LocalStack(stack.state.root, Ports(postgres=29_432), environ=_ENVIRON)
    with pytest.raises(StateInUseError, match="`tollbook down`"):
        moved.start()


@pytest.mark.usefixtures("stack")
def test_a_taken_port_starts_nothing_and_leaves_nothing(idle_stack: LocalStack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        blocked = LocalStack(idle_stack.state.root, Ports(clickhouse=port), environ=_ENVIRON)
        with pytest.raises(PortTakenError, match=f"port {port} for clickhouse"):
            blocked.start()
    assert {part.state for part in blocked.status()} == {"stopped"}


def test_a_full_disk_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    full = LocalStack(tmp_path / "state", environ=_ENVIRON, min_free_bytes=2**60)
    with pytest.raises(DiskFullError, match="MiB free on this disk"):
        full.start()
    assert {part.state for part in full.status()} == {"stopped"}


@pytest.mark.postgres
def test_a_part_that_dies_shows_the_end_of_its_log(idle_stack: LocalStack) -> None:
    idle_stack.start_part("postgres")
    idle_stack.stop_part("postgres")
    settings = idle_stack.state.data("postgres") / "postgresql.conf"
    settings.write_text("no_such_setting = on\n")
    with pytest.raises(PartDiedError, match="no_such_setting") as caught:
        idle_stack.start_part("postgres")
    assert str(idle_stack.state.log("postgres")) in caught.value.message


@pytest.mark.postgres
def test_a_stale_record_is_ignored_and_its_pid_left_alone(idle_stack: LocalStack) -> None:
    idle_stack.state.create()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"]) as bystander:
        idle_stack.state.write_record("postgres", ProcessRecord(bystander.pid, 1.0))
        idle_stack.start_part("postgres")
        idle_stack.stop_part("postgres")
        assert bystander.poll() is None
        bystander.kill()


@pytest.mark.postgres
def test_a_server_that_nobody_recorded_is_named_not_killed(
    idle_stack: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle_stack.start_part("postgres")
    monkeypatch.setattr(stack_module, "_ORPHANS_END_SECONDS", 0.2)
    record = idle_stack.state.record("postgres")
    assert record is not None
    idle_stack.state.forget_record("postgres")
    with pytest.raises(StateInUseError, match=rf"`kill {record.pid}\b"):
        idle_stack.start_part("postgres")
    assert process.find(record) is not None
    idle_stack.state.write_record("postgres", record)
    idle_stack.stop()


def test_outside_servers_replace_every_part(stack: LocalStack, tmp_path: Path) -> None:
    endpoints = stack.endpoints()
    environ = {name: getattr(endpoints, part) for name, part in VARIABLES.items()}
    outside = LocalStack(tmp_path / "state", environ=_ENVIRON | environ)
    outside.start()
    assert dataclasses.replace(outside.endpoints(), topic_prefix="") == endpoints
    assert {part.state for part in outside.status()} == {"outside"}
    assert all(outside.pid(name) is None for name in PART_NAMES)
    outside.stop()
    assert {part.state for part in stack.status()} == {"running"}
    with pytest.raises(StackError, match="not a part of this stack"):
        outside.start_part("kafka")


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1"),
        ("CLICKHOUSE_URL", "http://127.0.0.1:1/x"),
        ("DATABASE_URL", "postgresql://127.0.0.1:1/x"),
    ],
)
def test_an_outside_server_that_is_down_is_named_by_its_variable(
    tmp_path: Path, variable: str, url: str
) -> None:
    unreachable = LocalStack(tmp_path / "state", environ=_ENVIRON | {variable: url})
    with pytest.raises(StackError, match=f"{variable}: the server does not answer"):
        unreachable.start()
    assert "unreachable" in {part.state for part in unreachable.status()}


def test_before_the_first_start_there_are_no_endpoints(idle_stack: LocalStack) -> None:
    with pytest.raises(StackError, match="`tollbook up`"):
        idle_stack.endpoints()
    idle_stack.stop()
    assert {part.state for part in idle_stack.status()} == {"stopped"}
