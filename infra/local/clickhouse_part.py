"""The ClickHouse part of the stack: the owner process of the embedded engine."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from infra.local import probes
from infra.local.errors import MissingToolError
from infra.local.part import Command, Part, Report

USER: Final = "default"
DATABASE: Final = "tollbook"
_MEMORY_PERCENT: Final = 40
_CONTAINER_LIMIT: Final = Path("/sys/fs/cgroup/memory.max")
_REPOSITORY: Final = Path(__file__).parents[2]


class ClickHousePart(Part):
    """One process that owns the engine's data and speaks ClickHouse's HTTP protocol."""

    name = "clickhouse"
    program = "python"
    stop_timeout_seconds = 30.0  # it gives running requests 20 s

    def __init__(
        self, data_dir: Path, environ: Mapping[str, str], port: int, password: str
    ) -> None:
        super().__init__(data_dir, environ)
        self._port = port
        self._password = password
        self._password_file = data_dir.with_name(f"{data_dir.name}.password")

    @property
    def ports(self) -> Mapping[str, int]:
        """The HTTP port."""
        return {"--clickhouse-port": self._port}

    def url(self) -> str:
        """`http://user:password@host:port/database`."""
        return f"http://{USER}:{self._password}@127.0.0.1:{self._port}/{DATABASE}"

    def prepare(self, report: Report) -> None:
        """Check for the engine, and hand over the password in a file, not on a command line."""
        if importlib.util.find_spec("chdb") is None:
            raise MissingToolError(
                "The embedded ClickHouse engine is missing: `make setup` or `pip install chdb`"
                " installs it, or set CLICKHOUSE_URL to a running server"
            )
        report("opening the data directory")
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(self._password, encoding="utf-8")

    def command(self) -> Command:
        """The owner process, as a module of this repository."""
        argv = [sys.executable, "-m", "infra.local.clickhouse", "--path", str(self.data_dir)]
        argv += ["--port", str(self._port), "--password-file", str(self._password_file)]
        argv += ["--memory-bytes", str(memory_limit_bytes())]
        return Command(argv, {"PYTHONPATH": str(_REPOSITORY)})

    def probe(self) -> str | None:
        """`/ping` answers, and so does a query."""
        return probes.probe_clickhouse(self.url())

    def finish(self) -> None:
        """Nothing: the database is made by its migrations."""


def memory_limit_bytes(container_limit: Path = _CONTAINER_LIMIT) -> int:
    """What the engine may use: a share of the memory of this machine, or of its container."""
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # no container, or one without a limit ("max")
        memory_bytes = min(memory_bytes, int(container_limit.read_text(encoding="ascii")))
    return memory_bytes * _MEMORY_PERCENT // 100
