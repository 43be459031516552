"""`tollbook move-in`: tried, done, told to people and to programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import build_app
from core.clock import SystemClock
from core.errors import ValidationError
from db.postgres import Database
from subscriptions.setup import apply_catalog
from tests.plugins.database import database, database_url
from tests.subscriptions.moving.moving_world import EXAMPLE, team
from tests.subscriptions.world import document

__all__ = ["database", "database_url"]

Run = Callable[..., Result]


@pytest.fixture
def run(database: Database, database_url: str) -> Run:
    """A command in an installation with the plans of the example."""
    content = document(plans=team(), customers=[], subscriptions=[])
    apply_catalog(database, SystemClock(), content)
    environ = {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
        "CLICKHOUSE_URL": "http://127.0.0.1:9/x",
        "DATABASE_URL": database_url,
        "COLUMNS": "80",
    }

    def invoke(*arguments: object) -> Result:
        words = ["move-in", *map(str, arguments)]
        return CliRunner().invoke(build_app(), words, env=environ)

    return invoke


def test_it_is_tried_done_and_done_again(run: Run) -> None:
    tried = run(EXAMPLE, "--dry-run")
    assert (tried.exit_code, tried.stdout.splitlines()[-1]) == (0, "nothing was changed")
    done = run(EXAMPLE)
    assert done.exit_code == 0, done.output
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines == [
        ["created", "equal", "different", "refused"],
        *([kind, "3", "0", "0", "0"] for kind in ("customers", "subjects", "subscriptions")),
    ]
    again = [json.loads(line) for line in run(EXAMPLE, "--json").stdout.splitlines()]
    assert again.pop() == {
        "totals": {kind: {"equal": 3} for kind in ("customers", "subjects", "subscriptions")},
        "kept": True,
    }
    assert again[0] == {
        "file": "customers.csv",
        "line": 2,
        "kind": "customers",
        "name": "contoso",
        "outcome": "equal",
        "fields": [],
        "message": "",
    }


def test_what_does_not_come_in_is_told_with_its_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text("slug,currency\nada,EUR\nbob,DOUBLOONS\n")
    found = run(tmp_path)
    assert found.exit_code == 1
    assert "customers.csv:3: currency: " in found.stderr
    run(tmp_path)
    (tmp_path / "customers.csv").write_text("slug,currency\nada,USD\neve,EUR\nbob,NONE\n")
    kept_out = run(tmp_path, "--all-or-nothing")
    assert "customers.csv:2: 'ada' is there with other currency" in kept_out.stderr
    assert (kept_out.exit_code, kept_out.stdout.splitlines()[-1]) == (
        1,
        "nothing was kept: mend the rows above",
    )
    failed = run(tmp_path / "none")
    assert isinstance(failed.exception, ValidationError)
