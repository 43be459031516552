"""What commands print: tables that programs can read, too."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from cli.output import print_list


@dataclass(frozen=True)
class Long:
    """Something with a long name."""

    name: str

    def as_resource(self) -> dict[str, Any]:
        return {"name": self.name}


LONG = [Long("n" * 300), Long("[bold]ü[/bold]")]


def test_a_table_in_a_pipe_cuts_and_wraps_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    print_list(LONG, False, ("name", "again"), lambda each: (each.name, each.name))
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0].split() == ["name", "again"]
    assert [line.split() for line in lines[1:]] == [[each.name, each.name] for each in LONG]


def test_for_programs_it_is_a_list_of_resources(capsys: pytest.CaptureFixture[str]) -> None:
    print_list(LONG, True, ("name",), lambda each: (each.name,))
    assert json.loads(capsys.readouterr().out) == [each.as_resource() for each in LONG]
