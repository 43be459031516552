"""Starts the real owner process for tests, and stops it in every way there is."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import clickhouse_connect
import httpx
from clickhouse_connect.driver.httpclient import HttpClient

PASSWORD = "correct horse"
START_SECONDS = 30.0
REPOSITORY = Path(__file__).parents[4]


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Owner:
    """One owner process over a directory; may be started again after it ended."""

    def __init__(self, directory: Path, *options: str, port: int | None = None) -> None:
        self.directory = directory
        self.port = free_port() if port is None else port
        self.options = options
        self.log = directory.with_name(f"{directory.name}.log")
        self.password_file = directory.with_name(f"{directory.name}.password")
        self.password_file.write_text(f"{PASSWORD}\n")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "start the owner first"
        return self._process

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Start, and wait until it answers."""
        self.launch()
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if httpx.get(f"{self.url}/ping").text == "Ok.\n":
                    return self
            except httpx.TransportError:
                time.sleep(0.02)
        raise AssertionError(self.log.read_text())

    def launch(self) -> None:
        """Start without waiting."""
        command = [sys.executable, "-m", "infra.local.clickhouse", "--path", str(self.directory)]
        command += ["--port", str(self.port), "--password-file", str(self.password_file)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *self.options], cwd=REPOSITORY, stdout=log, stderr=log
            )

    def wait(self, seconds: float = START_SECONDS) -> int:
        """Wait for the end; the exit code."""
        return self.process.wait(seconds)

    def terminate(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self.wait()

    def kill(self) -> None:
        """SIGKILL."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.wait()

    def client(self, **options: Any) -> HttpClient:
        """The unmodified clickhouse-connect client."""
        settings: dict[str, Any] = {
            "autogenerate_session_id": False,
            "password": PASSWORD,
        } | options
        client = clickhouse_connect.get_client(
            host="127.0.0.1", port=self.port, username="default", **settings
        )
        assert isinstance(client, HttpClient)
        return client

    def http(self, **options: Any) -> httpx.Client:
        """A bare HTTP client with the password."""
        arguments: dict[str, Any] = {"timeout": 30.0, "auth": ("default", PASSWORD)} | options
        return httpx.Client(base_url=self.url, **arguments)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
