from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.endpoints import VARIABLES
from infra.local.stack import PART_NAMES, LocalStack

_ENVIRON = {name: value for name, value in os.environ.items() if name not in VARIABLES}


def _tollbook(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        env=_ENVIRON | variables | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "state"
    LocalStack(tmp_path / "state").stop()


@pytest.mark.kafka
@pytest.mark.clickhouse
@pytest.mark.postgres
def test_a_stack_goes_up_is_looked_at_and_goes_down(state_dir: Path) -> None:
    chosen = {"TOLLBOOK_STATE_DIR": str(state_dir)}
    up = _tollbook("up", **chosen)
    assert up.returncode == 0, up.stderr
    assert "schemas: ready" in up.stderr
    assert str(state_dir) in up.stdout

    status = _tollbook("status", "--json", **chosen)
    assert status.returncode == 0
    found = {part["name"]: part for part in json.loads(status.stdout)}
    assert {part["state"] for part in found.values()} == {"running"}
    assert found.keys() == set(PART_NAMES)

    logs = _tollbook("logs", "clickhouse", "--lines", "2", **chosen)
    assert (logs.returncode, len(logs.stdout.splitlines())) == (0, 2)

    down = _tollbook("down", **chosen)
    assert down.returncode == 0, down.stderr
    status = _tollbook("status", **chosen)
    assert status.returncode == 1
    assert status.stdout.count("stopped") == len(PART_NAMES)
    assert (state_dir / "data" / "postgres").exists()

    down = _tollbook("down", "--delete-data", **chosen)
    assert down.returncode == 0
    assert not state_dir.exists()


@pytest.mark.kafka
@pytest.mark.clickhouse
@pytest.mark.postgres
def test_a_taken_port_is_one_line_on_stderr_and_exit_code_1(state_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        up = _tollbook("up", "--state-dir", str(state_dir), "--kafka-port", str(port))
    assert up.returncode == 1
    last = up.stderr.splitlines()[-1]
    assert last.startswith(f"error: port {port} for kafka is taken by pid {os.getpid()}")
    assert "Traceback" not in up.stderr


def test_down_where_nothing_is_up_is_no_error(state_dir: Path) -> None:
    down = _tollbook("down", "--state-dir", str(state_dir))
    assert (down.returncode, "nothing to stop" in down.stdout) == (0, True)
    assert not state_dir.exists()


def test_logs_of_a_stack_that_never_ran_say_so(state_dir: Path) -> None:
    logs = _tollbook("logs", "kafka", "--state-dir", str(state_dir))
    assert logs.returncode == 1
    assert logs.stderr.startswith("error: ")
    assert _tollbook("logs", "zookeeper").returncode == 2


def test_doctor_tells_programs_and_people_what_is_missing(tmp_path: Path) -> None:
    where = ("--state-dir", str(tmp_path))
    good = _tollbook("doctor", "--json", *where)
    assert good.returncode == 0
    assert all(check["ok"] for check in json.loads(good.stdout))
    bare = {"PATH": str(tmp_path), "TOLLBOOK_CACHE_DIR": str(tmp_path)}
    poor = _tollbook("doctor", *where, **bare)
    assert poor.returncode == 1
    assert "apt-get install maven" in poor.stdout


def test_help_loads_no_server_library() -> None:
    program = (
        "import sys; from cli.main import build_app; build_app();"
        "print([m for m in ('polars', 'faust', 'psycopg', 'confluent_kafka', 'clickhouse_connect',"
        " 'pyarrow', 'fastapi', 'typst') if m in sys.modules])"
    )
    command = [sys.executable, "-c", program]
    shown = subprocess.run(command, env=_ENVIRON, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
