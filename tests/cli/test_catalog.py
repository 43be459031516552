"""`tollbook catalog`: exported, edited, compared and applied as people do it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import build_app
from core.errors import ConflictError, TollbookError, ValidationError
from db.postgres import Database
from tests.plugins.database import database, database_url
from tests.subscriptions.operating import open_desk

__all__ = ["database", "database_url"]

Run = Callable[..., Result]


@pytest.fixture
def run(database: Database, database_url: str) -> Run:
    """A command in an installation with plans."""
    open_desk(database)
    environ = {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
        "CLICKHOUSE_URL": "http://127.0.0.1:9/x",
        "DATABASE_URL": database_url,
    }

    def invoke(*arguments: object) -> Result:
        words = ["catalog", *map(str, arguments)]
        return CliRunner().invoke(build_app(), words, env=environ)

    return invoke


def refused(result: Result) -> str:
    assert isinstance(result.exception, TollbookError), result.output
    return result.exception.message


def test_a_catalog_is_exported_edited_compared_and_applied(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "catalog"
    made = run("export", folder)
    assert made.exit_code == 0, made.output
    assert made.stdout.split() == [
        f"{folder}/{name}.toml"
        for name in ("meters", "plans/dearer", "plans/pictures", "plans/standard")
    ]
    same = run("diff", folder)
    assert (same.exit_code, same.stdout) == (0, "nothing to change\n")
    file = folder / "plans" / "standard.toml"
    file.write_text(file.read_text().replace('amount = "99"', 'amount = "109"'))
    assert run("diff", folder).exit_code == 1
    tried = run("apply", folder, "--dry-run")
    assert tried.stdout == (
        "new version 2: plan standard\n    rate_cards[platform].price.amount: 99 → 109\n"
    )
    assert run("apply", folder).stdout == tried.stdout
    assert run("apply", folder).stdout == "nothing to change\n"
    assert json.loads(run("apply", folder, "--json").stdout)["differs"] is False
    assert json.loads(run("export", folder, "--json").stdout)["files"]
    assert run("diff", folder).exit_code == 0, "an export goes over the files of before"


def test_a_folder_without_a_plan_archives_it_only_when_asked(run: Run, tmp_path: Path) -> None:
    run("export", tmp_path)
    (tmp_path / "plans" / "pictures.toml").unlink()
    assert run("diff", tmp_path).exit_code == 0
    found = run("diff", tmp_path, "--prune")
    assert (found.exit_code, found.stdout) == (1, "archived: plan pictures\n")
    assert run("apply", tmp_path, "--prune").stdout == found.stdout
    assert run("diff", tmp_path, "--prune").exit_code == 0


def test_what_cannot_be_is_told_with_its_file(run: Run, tmp_path: Path) -> None:
    run("export", tmp_path)
    file = tmp_path / "meters.toml"
    file.write_text(file.read_text().replace('"usage.tokens"', '"usage.other"'))
    compared = run("diff", tmp_path)
    assert compared.exit_code == 2
    assert "impossible: meter tokens\n    meters.toml: meters[1].value: " in compared.stdout
    assert run("apply", tmp_path, "--dry-run").exit_code == 1
    applied = run("apply", tmp_path)
    assert isinstance(applied.exception, ConflictError)
    assert refused(applied).startswith("meters.toml: meters[1].value: the meter 'tokens' is final")


def test_files_that_are_none_are_named(run: Run, tmp_path: Path) -> None:
    assert "there is no .toml or .json file" in refused(run("apply", tmp_path))
    (tmp_path / "a.toml").write_text("[[plans]\n")
    assert run("diff", tmp_path).exit_code == 2
    assert "a.toml: not TOML" in refused(run("apply", tmp_path))
    (tmp_path / "a.toml").write_text("[[plan]]\n")
    failed = run("apply", tmp_path)
    assert isinstance(failed.exception, ValidationError)
    assert refused(failed) == "a.toml: plan: there is no such field; check its spelling"
    assert "a.toml: nothing of the catalog stands in it" in refused(run("export", tmp_path))
    assert not (tmp_path / "meters.toml").exists()
