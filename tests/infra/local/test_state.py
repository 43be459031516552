from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import ValidationError
from infra.local import process, state
from infra.local.errors import StackError, StateInUseError
from infra.local.ports import Ports
from infra.local.process import ProcessRecord
from infra.local.state import StackFile, StateDir, resolve_endpoints

_URLS = {
    "kafka": "127.0.0.1:9092",
    "clickhouse": "http://default:secret@127.0.0.1:8123/tollbook",
    "postgres": "postgresql://tollbook:secret@127.0.0.1:5432/tollbook",
}


@pytest.fixture
def directory(tmp_path: Path) -> StateDir:
    directory = StateDir(tmp_path / "state")
    directory.create()
    return directory


def test_the_stack_file_comes_back_as_written_and_is_private(directory: StateDir) -> None:
    assert directory.read() is None
    assert not directory.exists()
    content = StackFile(Ports(1, 2, 3, 4), {"postgres": "secret"}, _URLS)
    directory.write(content)
    assert directory.read() == content
    assert directory.exists()
    assert (directory.root / "stack.json").stat().st_mode & 0o077 == 0
    assert directory.root.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"ports": {"kafka": 1}}', '{"ports": {"x": 1}}'])
def test_a_broken_stack_file_is_named_with_the_way_out(directory: StateDir, text: str) -> None:
    (directory.root / "stack.json").write_text(text)
    with pytest.raises(StackError, match=r"stack\.json: not a stack file.*to start afresh"):
        directory.read()


def test_a_torn_record_reads_as_none(directory: StateDir) -> None:
    record = ProcessRecord(123, 4.5)
    directory.write_record("kafka", record)
    assert directory.record("kafka") == record
    (directory.root / "run" / "kafka.json").write_text('{"pid": 12')
    assert directory.record("kafka") is None
    directory.forget_record("kafka")
    directory.forget_record("kafka")
    assert directory.record("kafka") is None


def test_a_second_command_waits_for_the_lock_then_gives_up(
    directory: StateDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "_LOCK_WAIT_SECONDS", 0.1)
    with (
        directory.locked(),
        pytest.raises(StateInUseError, match="another tollbook command"),
        directory.locked(),
    ):
        pass
    with directory.locked():
        pass


def test_the_lock_of_a_killed_command_is_free(directory: StateDir) -> None:
    program = (
        "import pathlib, sys, time; from infra.local.state import StateDir\n"
        "with StateDir(pathlib.Path(sys.argv[1])).locked():\n"
        "    print('held', flush=True); time.sleep(300)"
    )
    command = [sys.executable, "-c", program, str(directory.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        process.kill(process.record_of(holder.pid))
        with directory.locked():
            pass


def test_endpoints_come_from_the_file_and_variables_go_first(directory: StateDir) -> None:
    directory.write(StackFile(Ports(1, 2, 3, 4), {}, _URLS))
    found = resolve_endpoints({}, directory.root)
    assert {name: getattr(found, name) for name in _URLS} == _URLS
    assert not found.topic_prefix
    environ = {"KAFKA_BOOTSTRAP_SERVERS": "kafka:9092", "TOLLBOOK_TOPIC_PREFIX": "blue."}
    found = resolve_endpoints({**environ, "DATABASE_URL": ""}, directory.root)
    assert (found.kafka, found.clickhouse) == ("kafka:9092", _URLS["clickhouse"])
    assert (found.postgres, found.topic_prefix) == (_URLS["postgres"], "blue.")


def test_what_neither_names_is_asked_for_by_its_variable(tmp_path: Path) -> None:
    with pytest.raises(ValidationError) as caught:
        resolve_endpoints({"KAFKA_BOOTSTRAP_SERVERS": "kafka:9092"}, tmp_path)
    assert caught.value.details["missing"] == ["CLICKHOUSE_URL", "DATABASE_URL"]
    assert "`tollbook up`" in caught.value.message


def test_deleting_removes_everything(directory: StateDir) -> None:
    directory.write(StackFile(Ports()))
    assert json.loads((directory.root / "stack.json").read_text())["passwords"] == {}
    directory.delete()
    assert not directory.root.exists()
