"""The local stack as one thing: start, stop, kill and look at its three parts."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from core.clock import monotonic_seconds
from core.endpoints import VARIABLES, Endpoints
from infra.local import ports, probes, process
from infra.local.clickhouse_part import ClickHousePart
from infra.local.errors import DiskFullError, PartDiedError, StackError, StateInUseError
from infra.local.kafka.part import KafkaPart
from infra.local.logs import tail_lines
from infra.local.part import Part, Report
from infra.local.ports import Ports
from infra.local.postgres import PostgresPart
from infra.local.state import StackFile, StateDir

PART_NAMES: Final = ("kafka", "clickhouse", "postgres")
Progress = Callable[[str, str], None]
"""Takes a part's name and a short phrase on what happens to it, for people."""

MIN_FREE_BYTES: Final = 512 * 1024 * 1024
_LOG_KEPT_BYTES: Final = 32 * 1024 * 1024
_LOG_TAIL_LINES: Final = 12
_ORPHANS_END_SECONDS: Final = 5.0
_REPOSITORY: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class PartStatus:
    """How a part is: `state` is running, starting, stopped, died, outside or unreachable."""

    name: str
    state: str
    address: str
    pid: int | None
    problem: str | None
    log: str | None


class LocalStack:
    """Three servers under one state directory.

    `environ` is what child processes inherit, and where the variables are looked up that replace a
    part by an outside server. With `tie_to_parent` the servers are killed, and the state directory
    is deleted, when this process ends in whatever way. Methods raise `StackError`.
    """

    def __init__(
        self,
        state_dir: Path,
        ports: Ports | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        tie_to_parent: bool = False,
        min_free_bytes: int = MIN_FREE_BYTES,
    ) -> None:
        self.state = StateDir(state_dir)
        self._ports = ports or Ports()
        self._environ = environ or {}
        self._tie_to_parent = tie_to_parent
        self._min_free_bytes = min_free_bytes
        self._outside = {
            part: self._environ[name] for name, part in VARIABLES.items() if self._environ.get(name)
        }

    def start(self, progress: Progress = lambda _part, _phrase: None) -> None:
        """Start what does not run, side by side, and wait until each part answers.

        When one fails, the parts that this call started are stopped again.
        """
        with self.state.locked():
            self._require_disk()
            parts = self._ours(self._settle())
            self._start_watchdog()
            for name in self._outside:
                self._check_outside(name, partial(progress, name))
            ran_before = {name for name in parts if self.pid(name) is not None}
            try:
                _side_by_side(
                    {
                        name: partial(self._start, part, partial(progress, name))
                        for name, part in parts.items()
                    }
                )
            except StackError:
                for name in parts.keys() - ran_before:
                    self._stop(parts[name], partial(progress, name))
                raise

    def stop(self, progress: Progress = lambda _part, _phrase: None) -> None:
        """Stop every part cleanly, its data on disk; kill one that does not end in time."""
        with self.state.locked():
            content = self.state.read()
            if content is not None:
                _side_by_side(
                    {
                        name: partial(self._stop, part, partial(progress, name))
                        for name, part in self._parts(content).items()
                    }
                )
            process.kill(self.state.record("watchdog"))
            self.state.forget_record("watchdog")

    def start_part(self, name: str, report: Report = lambda _phrase: None) -> None:
        """Start one part, unless it runs, and wait until it answers."""
        with self.state.locked():
            self._require_disk()
            part = self._part(name)
            self._start_watchdog()
            self._start(part, report)

    def stop_part(self, name: str, report: Report = lambda _phrase: None) -> None:
        """Stop one part cleanly."""
        with self.state.locked():
            self._stop(self._part(name), report)

    def kill(self, name: str) -> None:
        """SIGKILL one part, as a crash would end it; returns when it is gone."""
        process.kill(self.state.record(name))

    def pid(self, name: str) -> int | None:
        """The pid of a part that runs."""
        found = process.find(self.state.record(name))
        return None if found is None else found.pid

    def endpoints(self) -> Endpoints:
        """Where the servers are. Raises `StackError` before the first start."""
        content = self.state.read()
        if content is None:
            raise StackError(f"no stack in {self.state.root}: start it with `tollbook up`")
        return Endpoints(**{**content.endpoints, **self._outside})

    def status(self) -> list[PartStatus]:
        """Every part as it is now, asked, not remembered."""
        content = self.state.read()
        parts = {} if content is None else self._parts(content)
        with ThreadPoolExecutor(len(PART_NAMES)) as pool:
            return list(pool.map(lambda name: self._status(name, parts.get(name)), PART_NAMES))

    def _settle(self) -> StackFile:
        """Ports, passwords and endpoints: those kept, those asked for, the rest chosen now."""
        kept = self.state.read() or StackFile(Ports())
        wanted = self._ports.over(kept.ports).chosen()
        passwords = {
            name: kept.passwords.get(name) or secrets.token_hex(16)
            for name in ("clickhouse", "postgres")
        }
        content = StackFile(wanted, passwords)
        parts = self._parts(content)
        if wanted != kept.ports:
            self._require_stopped(parts)
        endpoints = {name: part.url() for name, part in parts.items()} | self._outside
        content = StackFile(wanted, passwords, endpoints)
        if content != kept:
            self.state.write(content)
        return content

    def _parts(self, content: StackFile) -> dict[str, Part]:
        """All parts by name, also those that an outside server replaces now."""
        at, data, environ = content.ports, self.state.data, self._environ
        passwords = content.passwords
        parts: list[Part] = [
            KafkaPart(data("kafka"), environ, at.kafka, at.kafka_controller),
            ClickHousePart(
                data("clickhouse"), environ, at.clickhouse, passwords.get("clickhouse", "")
            ),
            PostgresPart(data("postgres"), environ, at.postgres, passwords.get("postgres", "")),
        ]
        return {part.name: part for part in parts}

    def _ours(self, content: StackFile) -> dict[str, Part]:
        """The parts that no outside server replaces."""
        parts = self._parts(content)
        return {name: part for name, part in parts.items() if name not in self._outside}

    def _part(self, name: str) -> Part:
        parts = self._ours(self._settle())
        if name not in parts:
            raise StackError(f"{name}: not a part of this stack, which has {', '.join(parts)}")
        return parts[name]

    def _start(self, part: Part, report: Report) -> None:
        began = monotonic_seconds()
        log = self.state.log(part.name)
        if process.find(self.state.record(part.name)) is None:
            self._require_unused(part)
            part.prepare(report)
            for option, port in part.ports.items():
                ports.require_free(port, part.name, option)
            _rotate(log)
            offset = log.stat().st_size if log.exists() else 0
            report("starting")
            command = part.command()
            environ = {**self._environ, **command.variables}
            record = process.start_detached(command.argv, environ, log)
            self.state.write_record(part.name, record)
        else:
            offset = log.stat().st_size if log.exists() else 0
        self._await_ready(part, log, offset)
        part.finish()
        report(f"ready after {monotonic_seconds() - began:.1f} s")

    def _await_ready(self, part: Part, log: Path, offset: int) -> None:
        problem: str | None = "its port is closed"

        def answers_or_died() -> bool:
            nonlocal problem
            if self.pid(part.name) is None:
                return True
            if all(ports.answers(port) for port in part.ports.values()):
                problem = part.probe()
            return problem is None

        process.wait_for(answers_or_died, part.start_timeout_seconds)
        if self.pid(part.name) is None:
            raise PartDiedError(
                f"{part.name} ended while it was starting; {_tail(log, offset)}", part=part.name
            )
        if problem is not None:
            raise PartDiedError(
                f"{part.name} did not answer within {part.start_timeout_seconds:.0f} s"
                f" ({problem}); {_tail(log, offset)}",
                part=part.name,
            )

    def _stop(self, part: Part, report: Report) -> None:
        record = self.state.record(part.name)
        if process.find(record) is not None:
            report("stopping")
        clean = process.stop(record, part.stop_signal, part.stop_timeout_seconds)
        self.state.forget_record(part.name)
        report("stopped" if clean else "killed: it did not stop in time")

    def _status(self, name: str, part: Part | None) -> PartStatus:
        if name in self._outside:
            problem = probes.probe(name, self._outside[name])
            state = "outside" if problem is None else "unreachable"
            return PartStatus(
                name, state, _without_password(self._outside[name]), None, problem, None
            )
        pid, log = self.pid(name), str(self.state.log(name))
        if part is None:
            return PartStatus(name, "stopped", "", None, None, None)
        address = _without_password(part.url())
        if pid is None:
            died = self.state.record(name) is not None
            return PartStatus(name, "died" if died else "stopped", address, None, None, log)
        problem = part.probe()
        return PartStatus(name, "starting" if problem else "running", address, pid, problem, log)

    def _check_outside(self, name: str, report: Report) -> None:
        report("asking the outside server")
        problem = probes.probe(name, self._outside[name])
        if problem is not None:
            variable = next(key for key, part in VARIABLES.items() if part == name)
            raise StackError(f"{variable}: the server does not answer: {problem}", part=name)
        report("outside server answers")

    def _require_disk(self) -> None:
        self.state.create()
        free = shutil.disk_usage(self.state.root).free
        if free < self._min_free_bytes:
            raise DiskFullError(
                f"{self.state.root}: only {free // 2**20} MiB free on this disk, the stack needs"
                f" {self._min_free_bytes // 2**20} MiB: make room, or use --state-dir elsewhere"
            )

    def _require_stopped(self, parts: Mapping[str, Part]) -> None:
        running = [name for name in parts if self.pid(name) is not None]
        if running:
            raise StateInUseError(
                f"{', '.join(running)} run on other ports: `tollbook down`, then start again"
            )

    def _require_unused(self, part: Part) -> None:
        """No process that we did not record may work on the data; children of a dead one may end.

        Postgres's children outlive a killed parent for a moment.
        """

        def unused() -> bool:
            return not process.users_of(part.data_dir, part.program)

        if not process.wait_for(unused, _ORPHANS_END_SECONDS):
            found = process.users_of(part.data_dir, part.program)
            pids = " ".join(str(user.pid) for user in found)
            raise StateInUseError(
                f"{part.name}: a process that this stack did not start uses {part.data_dir}:"
                f" stop it with `kill {pids}`, then start again",
                part=part.name,
            )

    def _start_watchdog(self) -> None:
        if not self._tie_to_parent or process.find(self.state.record("watchdog")) is not None:
            return
        parent = process.record_of(os.getpid())
        argv = [sys.executable, "-m", "infra.local.watchdog", str(self.state.root)]
        argv += [str(parent.pid), str(parent.started_seconds)]
        environ = {**self._environ, "PYTHONPATH": str(_REPOSITORY)}
        record = process.start_detached(argv, environ, self.state.log("watchdog"))
        self.state.write_record("watchdog", record)


def _side_by_side(tasks: Mapping[str, Callable[[], None]]) -> None:
    """Run all to their end; then raise the first error, in the order given."""
    if not tasks:
        return
    with ThreadPoolExecutor(len(tasks)) as pool:
        futures: list[Future[None]] = [pool.submit(task) for task in tasks.values()]
    for future in futures:
        future.result()


def _tail(log: Path, offset: int) -> str:
    lines = tail_lines(log, _LOG_TAIL_LINES, offset)
    return "\n  ".join([f"the end of its log {log}:", *lines])


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > _LOG_KEPT_BYTES:
        log.replace(log.with_suffix(".log.1"))


def _without_password(url: str) -> str:
    scheme, separator, rest = url.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
