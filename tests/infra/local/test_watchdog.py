from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local import process
from infra.local.state import StateDir

_PROGRAM = """
import os, pathlib, sys, time
from infra.local.stack import LocalStack
stack = LocalStack(pathlib.Path(sys.argv[1]), environ=os.environ, tie_to_parent=True)
stack.start_part("postgres")
print("started", flush=True)
time.sleep(300)
"""


@pytest.mark.postgres
def test_a_tied_stack_ends_with_its_killed_parent_and_leaves_nothing(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "state")
    command = [sys.executable, "-c", _PROGRAM, str(state.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"
        server, watchdog = state.record("postgres"), state.record("watchdog")
        assert process.find(server) is not None
        parent.kill()
    assert process.wait_for(lambda: process.find(watchdog) is None, timeout_seconds=30)
    assert process.find(server) is None
    assert not state.root.exists()
