"""Crash points: named, counted, deadly at the n-th pass, proven reached by a file."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import faults
from core.errors import ValidationError
from tests import sources

_PASSES = """
import sys
from core.faults import arm, reach
arm(sys.argv[1])
for number in range(1, 5):
    reach("before_usage")
    reach("before_ledger")
    print(number, flush=True)
"""


def _run(fault: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _PASSES, fault]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_process_dies_at_the_nth_pass_and_says_so_before(tmp_path: Path) -> None:
    record = tmp_path / "reached"
    process = _run(f"before_ledger:3:{record}")
    printed, _ = process.communicate(timeout=30)
    assert process.returncode == faults.EXIT_CODE
    assert printed.split() == ["1", "2"]
    assert record.read_text() == f"before_ledger:3 {process.pid}\n"


def test_a_process_freezes_where_it_was_told_to_and_goes_on_when_woken(tmp_path: Path) -> None:
    record = tmp_path / "reached"
    process = _run(f"before_ledger:2:{record}:stop")
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    assert record.read_text() == f"before_ledger:2 {process.pid}\n"
    process.send_signal(signal.SIGCONT)
    printed, _ = process.communicate(timeout=30)
    assert printed.split() == ["1", "2", "3", "4"]
    assert process.returncode == 0


def test_without_arms_every_point_is_passed() -> None:
    for point in faults.POINTS:
        faults.reach(point)


@pytest.mark.parametrize(
    "fault",
    ["", "before_usage", "before_usage:", "before_usage:0", "before_usage:-1", "nowhere:1",
     "before_usage:1:file:go", "before_usage:1:file:stop:more"],
)  # fmt: skip
def test_a_fault_that_says_nothing_clear_is_refused(fault: str) -> None:
    with pytest.raises(ValidationError):
        faults.arm(fault)
    faults.reach("before_usage")  # and arms nothing


def _named_in_source() -> Iterator[str]:
    for path, _ in (*sources.python("streams"), *sources.python("ingest")):
        tree = sources.tree(path)
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and sources.dotted(node.func) == "reach"):
                continue
            argument = node.args[0]
            if isinstance(argument, ast.Constant):
                yield str(argument.value)
            else:
                assert isinstance(argument, ast.JoinedStr), ast.dump(argument)
                assert isinstance(argument.values[0], ast.Constant)
                yield from (f"{argument.values[0].value!s}{name}" for name in _tables(tree))


def _tables(module: ast.Module) -> list[str]:
    for node in module.body:
        if isinstance(node, ast.AnnAssign) and sources.dotted(node.target) == "_POINTS":
            assert node.value is not None
            return list(ast.literal_eval(node.value).values())
    raise AssertionError("no _POINTS")


def test_the_list_of_points_is_exactly_what_the_code_comes_past() -> None:
    assert sorted(_named_in_source()) == sorted(faults.POINTS)
