"""Ends a stack with the process that it is tied to, however that process ends.

`python -m infra.local.watchdog STATE_DIR PID STARTED_SECONDS` waits for that process, then kills
the stack's servers and deletes the directory. A process of its own, because a killed process cleans
up nothing, and because the kernel's parent-death signal fires when the starting *thread* ends.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Final

from infra.local import process
from infra.local.process import ProcessRecord
from infra.local.state import StateDir

_POLL_SECONDS: Final = 0.5
_PROGRAMS: Final = {"kafka": "java", "clickhouse": "python", "postgres": "postgres"}


def main(state_dir: Path, parent: ProcessRecord) -> None:
    """Wait for the parent's end, then leave nothing behind."""
    while process.find(parent) is not None:
        time.sleep(_POLL_SECONDS)
    state = StateDir(state_dir)
    for part, program in _PROGRAMS.items():
        process.kill(state.record(part))
        # Started, but not yet recorded when the parent was killed.
        for user in process.users_of(state.data(part), program):
            process.kill(process.record_of(user.pid))
    state.delete()


if __name__ == "__main__":
    main(Path(sys.argv[1]), ProcessRecord(int(sys.argv[2]), float(sys.argv[3])))
