from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import build_app
from core.endpoints import Endpoints


def test_generations_are_listed_and_the_next_one_begins(
    installation: Endpoints, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("streams.switch.time.sleep", lambda _: None)
    for name, value in installation.as_environment().items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> str:
        command = ["generations", *arguments, "--state-dir", str(tmp_path)]
        return CliRunner().invoke(build_app(), command, catch_exceptions=False).stdout

    assert [row["state"] for row in json.loads(run("list", "--json"))] == ["read"]
    assert "usage.events.2 with 6 partitions" in run("begin", "--partitions", "6")
    rows = json.loads(run("list", "--json"))
    assert [(row["generation"], row["partitions"], row["state"]) for row in rows] == [
        (1, 4, "read"),
        (2, 6, "waiting"),
    ]
    assert "waiting" in run("list")
