"""`tollbook ingest` against a real server: what a file says is in the log, once where it counts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import build_app
from tests.ingest.service import Service

ROWS = 60_000


def _csv(path: Path, rows: int) -> Path:
    with path.open("w") as file:
        file.write("subject,time,tokens\n")
        file.writelines(f"team-{n % 7},2026-11-0{n % 9 + 1}T00:00:00Z,{n}\n" for n in range(rows))
    return path


def _arguments(service: Service, file: Path) -> list[str]:
    return [
        "ingest", str(file), "--url", service.url, "--source", "/export", "--type", "t",
        "--state-dir", str(service.folder / "state"), "--json",
    ]  # fmt: skip


def _environ(service: Service) -> dict[str, str]:
    return {"TOLLBOOK_API_KEY": service.api_key}


def test_files_of_events_are_sent_and_refused_rows_named(service: Service, tmp_path: Path) -> None:
    file = _csv(tmp_path / "usage.csv", 20)
    with file.open("a") as more:
        more.write("team-1,never,1\nteam-1\n,,\n")
    result = CliRunner().invoke(
        build_app(), _arguments(service, file), env=_environ(service), catch_exceptions=False
    )
    assert result.exit_code == 1
    (found,) = json.loads(result.stdout)
    assert (found["accepted"], found["sent_before"]) == (20, 0)
    refused = {each["row"]: each["message"] for each in found["refused"]}
    assert set(refused) == {21, 22, 23}
    assert refused[22] == "row: 1 cells, the header has 3"
    assert refused[23].startswith("subject: required")
    assert "usage.csv: 20 accepted, 3 refused\n  row " in result.stderr
    assert len(service.logged_ids()) == 20


@pytest.mark.slow
def test_a_command_that_was_killed_goes_on_where_it_was(service: Service, tmp_path: Path) -> None:
    file = _csv(tmp_path / "usage.csv", ROWS)
    command = [sys.executable, "-m", "cli.main", *_arguments(service, file)]
    environ = {**os.environ, **_environ(service)}
    journals = service.folder / "state" / "ingest"
    first = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not (journals.is_dir() and list(journals.glob("*.json"))):
        assert time.monotonic() < deadline
        assert first.poll() is None, first.communicate()
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert found["refused"] == []
    assert 0 < found["sent_before"] < ROWS
    assert found["accepted"] < ROWS
    counts = Counter(service.logged_ids())
    assert len(counts) == ROWS
    assert list(journals.iterdir()) == []


def test_without_a_key_it_says_so(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        build_app(), ["ingest", str(tmp_path)], env={"TOLLBOOK_API_KEY": ""}
    )
    assert result.exit_code == 1
    assert "set TOLLBOOK_API_KEY" in str(result.exception)
