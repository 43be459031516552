from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from core.endpoints import VARIABLES
from infra.local import doctor
from infra.local.doctor import Check, examine
from infra.local.stack import LocalStack

_ENVIRON = {name: value for name, value in os.environ.items() if name not in VARIABLES}


def _examine(state_dir: Path, environ: Mapping[str, str]) -> dict[str, Check]:
    return {check.name: check for check in examine(state_dir, environ)}


def test_a_machine_that_runs_the_tests_has_what_the_stack_needs(tmp_path: Path) -> None:
    checks = _examine(tmp_path / "state", _ENVIRON)
    assert [check for check in checks.values() if not check.ok] == []
    needed = {"python", "disk", "memory", "java", "kafka jars", "clickhouse", "postgres"}
    assert needed <= checks.keys()


def test_missing_maven_comes_with_the_command_that_installs_it(tmp_path: Path) -> None:
    environ = {"PATH": str(tmp_path), "TOLLBOOK_CACHE_DIR": str(tmp_path)}
    check = _examine(tmp_path, environ)["kafka jars"]
    assert not check.ok
    assert "apt-get install maven" in check.cure


@pytest.mark.parametrize(("finder", "name"), [("find_java", "java"), ("find_binaries", "postgres")])
def test_a_missing_wheel_comes_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finder: str, name: str
) -> None:
    monkeypatch.setattr(doctor, finder, lambda: None)
    check = _examine(tmp_path, _ENVIRON)[name]
    assert (check.ok, check.cure) == (False, "make setup")
    assert "wheel is not installed" in check.found


def test_too_little_disk_and_memory_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "MIN_FREE_BYTES", 2**60)
    monkeypatch.setattr(doctor, "MIN_AVAILABLE_MEMORY_BYTES", 2**60)
    checks = _examine(tmp_path, _ENVIRON)
    assert not checks["disk"].ok
    assert not checks["memory"].ok


def test_ports_of_a_running_stack_are_its_own(stack: LocalStack) -> None:
    ports = [check for check in examine(stack.state.root, _ENVIRON) if check.name[:4] == "port"]
    assert len(ports) == 4
    assert all(check.ok and check.found.endswith("is ours") for check in ports)


def test_an_outside_server_is_asked_and_needs_nothing_local(tmp_path: Path) -> None:
    environ = _ENVIRON | {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    checks = _examine(tmp_path, environ)
    assert not checks["outside kafka"].ok
    assert checks["outside kafka"].cure == "correct KAFKA_BOOTSTRAP_SERVERS"
    assert "java" not in checks
