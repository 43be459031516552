from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from cli import main
from cli.main import COMMANDS, build_app
from core.errors import DependencyDownError


def _leaves(command: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every command that does something: its words and its help."""
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command.help or ""
        return
    for name, child in children.items():
        yield from _leaves(child, f"{path} {name}")


_LEAVES = dict(_leaves(typer.main.get_command(build_app()), "tollbook"))


@pytest.mark.parametrize("words", _LEAVES)
def test_every_command_explains_itself_with_an_example(words: str) -> None:
    assert f"Example: {words}" in _LEAVES[words]


def test_every_listed_command_is_there() -> None:
    assert {words.split()[1] for words in _LEAVES} == set(COMMANDS)


def test_an_expected_error_is_one_line_on_stderr_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise DependencyDownError("Kafka does not answer")

    monkeypatch.setattr(importlib.import_module("cli.commands.status"), "status", fail)
    monkeypatch.setattr("sys.argv", ["tollbook", "status"])
    with pytest.raises(SystemExit) as caught:
        main.main()
    assert caught.value.code == 1
    assert capsys.readouterr().err == "error: Kafka does not answer\n"
