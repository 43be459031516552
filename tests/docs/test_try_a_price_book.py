"""The page `how-to/try-a-price-book.md` tells the truth: its commands and its code are run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import build_app
from tests.sources import ROOT

PAGE = (ROOT / "docs" / "how-to" / "try-a-price-book.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    [book], [usage] = blocks("toml"), blocks("csv")
    Path("book.toml").write_text(book, encoding="utf-8")
    Path("usage.csv").write_text(usage, encoding="utf-8")
    return tmp_path


def test_the_commands_print_what_the_page_shows(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    shown = blocks("console")
    assert len(shown) == 2
    for each in shown:
        command, _, expected = each.partition("\n")
        result = CliRunner().invoke(build_app(), command.removeprefix("$ tollbook ").split())
        assert result.exit_code == 0, result.exception
        printed = "\n".join(line.rstrip() for line in result.stdout.splitlines())
        assert printed == expected.rstrip()


def test_the_other_commands_work_as_they_are_written(folder: Path) -> None:
    commands = re.findall(r"^\| `tollbook (prices .*?)` \|", PAGE, re.MULTILINE)
    assert len(commands) == 3
    for each in commands:
        result = CliRunner().invoke(build_app(), each.split())
        assert result.exit_code == 0, (each, result.exception)


def test_the_code_runs_from_top_to_bottom(folder: Path) -> None:
    names: dict[str, Any] = {}
    for code in blocks("python"):
        exec(compile(code, "try-a-price-book.md", "exec"), names)
    assert names["rated"]["amount_minor"].to_list() == [800, 138, 0, 0]
