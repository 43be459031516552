"""Cheap deaths: a process that has imported everything, and forks `tollbook` processes on demand.

Starting Python and its libraries costs two seconds of processor time; a fork costs none of it. What
is forked is an ordinary process: it reads its own environment, builds its own command, opens its
own connections, and dies by its own SIGKILL.

`python -m tests.faults.nursery` answers requests, one JSON object a line, until its input ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from numba.core.dispatcher import Dispatcher

ROOT: Final = Path(__file__).parents[2]
_PR_SET_PDEATHSIG: Final = 1
_WITH_KERNELS: Final = ("catalog", "core", "streams")


class Nursery:
    """Starts processes and knows how they ended. Threads may share it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._lock = threading.Lock()
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=dict(environ),
            text=True,
        )

    def start(
        self,
        arguments: list[str],
        environ: Mapping[str, str],
        log: Path,
        clock_steps: int | None = None,
    ) -> int:
        """Start `tollbook ARGUMENTS`, output appended to `log`; returns its pid.

        With `clock_steps`, a seed, its wall clock jumps by up to a year at every reading.
        """
        request = {
            "start": arguments, "environ": dict(environ), "log": str(log), "clock": clock_steps,
        }  # fmt: skip
        return int(self._ask(request))

    def status(self, pid: int) -> int | None:
        """How a process ended, as `Popen.returncode`; None while it lives.

        An ended process keeps its pid until it was asked for: a signal never meets another one.
        """
        answer = self._ask({"status": pid})
        return None if answer is None else int(answer)

    def close(self) -> None:
        """End everything that was started here."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(30)
        self._server.stdout.close()

    def _ask(self, request: dict[str, Any]) -> Any:
        with self._lock:
            assert self._server.stdin is not None
            assert self._server.stdout is not None
            self._server.stdin.write(json.dumps(request) + "\n")
            self._server.stdin.flush()
            return json.loads(self._server.stdout.readline())


def _serve() -> None:
    _import_everything()
    ended: dict[int, int | None] = {}
    answers = os.fdopen(os.dup(1), "w")  # a child's output never gets in here
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        if "start" in request:
            pid = os.fork()
            if pid == 0:
                _become(request)
            ended[pid] = None
            answer: int | None = pid
        else:
            answer = _status(ended, int(request["status"]))
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    for pid in [pid for pid in ended if _status(ended, pid) is None]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _status(ended: dict[int, int | None], pid: int) -> int | None:
    if ended[pid] is None:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            ended[pid] = os.waitstatus_to_exitcode(status)
    return ended[pid]


def _import_everything() -> None:
    """What `tollbook serve streams` imports, and its compiled kernels: none of it starts a thread.

    The kernels are compiled by a process of their own where nobody did so before: that runs them,
    and what ran Polars cannot be forked.
    """
    warm = [sys.executable, "-c", "from streams.warming import warm_up; warm_up()"]
    subprocess.run(warm, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    for name in ("cli.main", "cli.commands.serve", "infra.local.state", "streams.worker"):
        importlib.import_module(name)
    ours = [module for name, module in sys.modules.items() if name.split(".")[0] in _WITH_KERNELS]
    kernels: list[Any] = [
        thing for module in ours for thing in vars(module).values() if isinstance(thing, Dispatcher)
    ]
    for kernel in kernels:
        for signature, *_ in kernel._cache._cache_file._load_index():
            kernel.compile(signature)  # loads what is compiled


def _die_with_parent() -> None:
    """Have the kernel kill this process when the nursery ends, however that ends (on Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _become(request: dict[str, Any]) -> None:
    """In the child: be the process that was asked for; never returns."""
    code = 1
    try:
        os.setsid()
        _die_with_parent()
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        for target, source in ((0, null), (1, log), (2, log)):
            os.dup2(source, target)
        os.closerange(3, 256)
        os.environ.clear()
        os.environ.update(request["environ"])
        if request["clock"] is not None:
            from tests.faults.clocks import step_clocks

            step_clocks(request["clock"])
        sys.argv = ["tollbook", *request["start"]]
        from cli.main import main

        main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # noqa: BLE001 - a child must not go on as a second nursery
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
