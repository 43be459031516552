"""The life of the owner process: lock, port, engine, ready, stop."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import uvicorn

from core.clock import monotonic_seconds
from infra.local.clickhouse.admission import Limits
from infra.local.clickhouse.durability import Disk
from infra.local.clickhouse.engine import Engine
from infra.local.clickhouse.errors import EngineError
from infra.local.clickhouse.request import Credentials
from infra.local.clickhouse.server import Application

LOG = logging.getLogger(__name__)

HOST = "127.0.0.1"
LOCK_FILE = "owner.lock"
_KEEP_ALIVE_SECONDS = 3600
_BACKLOG = 1024
_CLOSE_SECONDS = 5.0


class StartError(Exception):
    """The owner cannot start; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class OwnerSettings:
    """What the owner is told at its start."""

    directory: Path
    port: int
    user: str
    password_file: Path
    memory_bytes: int | None
    limits: Limits
    stop_seconds: int
    min_free_bytes: int


class _Server(uvicorn.Server):
    """uvicorn, with the signals left to `run`: a clean stop ends with exit code 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run(settings: OwnerSettings) -> None:
    """Own the directory until SIGTERM or SIGINT. Raises `StartError`."""
    began_seconds = monotonic_seconds()
    owner = Credentials(settings.user, _read_password(settings.password_file))
    with _locked(settings), _listening(settings.port) as listener:
        engine = _open_engine(settings)
        try:
            disk = Disk(settings.directory, settings.min_free_bytes)
            application = Application(engine, owner, settings.limits, disk)
            config = uvicorn.Config(
                application,
                http="httptools",
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=settings.stop_seconds,
            )
            server = _Server(config)
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, _stop, server, number)
            LOG.info(
                "ready: ClickHouse %s on http://%s:%d, data in %s, pid %d, after %.2f s",
                engine.scalar(b"SELECT version()"),
                HOST,
                listener.getsockname()[1],
                settings.directory,
                os.getpid(),
                monotonic_seconds() - began_seconds,
            )
            await server.serve(sockets=[listener])
            await _close(application)
        finally:
            engine.close()
    LOG.info("stopped")


async def _close(application: Application) -> None:
    """End what the engine still does; leave without it if it does not end (data stays safe)."""
    try:
        await asyncio.wait_for(asyncio.to_thread(application.close), _CLOSE_SECONDS)
    except TimeoutError:
        LOG.warning("stopped without waiting for the engine's last query")
        logging.shutdown()
        os._exit(0)


def _stop(server: uvicorn.Server, number: int) -> None:
    LOG.info("stopping on %s", signal.Signals(number).name)
    server.should_exit = True


def _read_password(path: Path) -> str:
    try:
        password = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise StartError(f"--password-file {path}: {error.strerror}") from None
    if not password:
        raise StartError(f"--password-file {path}: it is empty; write a password into it")
    return password


@contextlib.contextmanager
def _locked(settings: OwnerSettings) -> Iterator[None]:
    """Hold the directory's lock; the kernel frees it when the process ends, however it ends."""
    directory = settings.directory
    if "?" in str(directory):
        raise StartError(f"--path {directory}: the engine takes no '?' in a path")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        free_bytes = shutil.disk_usage(directory).free
        file: IO[str] = (directory / LOCK_FILE).open("a+", encoding="utf-8")
    except OSError as error:
        raise StartError(f"--path {directory}: {error.strerror}") from None
    with file:
        if free_bytes < settings.min_free_bytes:
            raise StartError(
                f"--path {directory}: only {free_bytes >> 20} MiB are free on this disk;"
                f" free at least {settings.min_free_bytes >> 20} MiB"
            )
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise StartError(
                f"--path {directory}: already owned by the process with pid {holder};"
                " stop that one first, or use another directory"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


@contextlib.contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise StartError(
                f"--port {port}: cannot listen on {HOST}:{port}: {reason};"
                " stop what uses it, or choose another port"
            ) from None
        listener.listen(_BACKLOG)
        listener.setblocking(False)
        yield listener


def _open_engine(settings: OwnerSettings) -> Engine:
    try:
        return Engine(settings.directory, settings.memory_bytes)
    except EngineError as error:
        raise StartError(
            f"--path {settings.directory}: the engine does not open it: {error}"
        ) from None
