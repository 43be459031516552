"""HTTP applications served in the foreground, in one process or in several that share a port."""

from __future__ import annotations

import os
import resource
import signal
import socket
from collections.abc import Callable
from functools import partial
from multiprocessing import parent_process
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TYPE_CHECKING, Final, Protocol

import typer
import uvicorn
from uvicorn.supervisors import Multiprocess

from api.connections import ConnectionLimits, GuardedConnections
from cli.telemetry import Telemetry

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_GRACE_SECONDS: Final = 15
_START_SECONDS: Final = 30
_BACKLOG: Final = 2048


class CreateApp(Protocol):
    """Makes an application; `shared_metrics` where several processes share its port."""

    def __call__(self, *, shared_metrics: bool) -> ASGIApp:
        """Make it."""
        ...


def serve_http(
    create_app: CreateApp,
    telemetry: Telemetry,
    host: str,
    port: int,
    workers: int,
    limits: ConnectionLimits,
) -> None:
    """Serve until SIGTERM; requests under way are answered first.

    `create_app` is called once in each process, so it must be picklable. Prints the URL once every
    process listens. Exits with a clear line when the port is taken.
    """
    create = partial(_create, create_app, telemetry, shared_metrics=workers > 1)
    if workers == 1:
        _serve(create, host, port, workers, limits)
        return
    with TemporaryDirectory(prefix="tollbook-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # read when a child imports the library
        _serve(create, host, port, workers, limits)


def _create(create_app: CreateApp, telemetry: Telemetry, *, shared_metrics: bool) -> ASGIApp:
    """In the process that serves: what belongs to it, then the application."""
    telemetry.start()
    if shared_metrics:
        Thread(target=_end_with_parent, name="parent", daemon=True).start()
    return create_app(shared_metrics=shared_metrics)


def _end_with_parent() -> None:
    """Without the process that started it, one of several would hold the port for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _serve(
    create_app: Callable[[], ASGIApp], host: str, port: int, workers: int, limits: ConnectionLimits
) -> None:
    _allow_open_files()
    config = uvicorn.Config(
        create_app,
        factory=True,
        host=host,
        port=port,
        workers=workers,
        loop="uvloop",
        http=GuardedConnections(limits),  # type: ignore[arg-type]  # all that uvicorn does is call it
        ws="none",
        lifespan="on",
        log_config=None,  # ours is set up in each process
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here depends on who the client is
        backlog=_BACKLOG,
        timeout_keep_alive=limits.idle_seconds,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    listener = _listen(host, port)
    url = f"http://{host}:{listener.getsockname()[1]}"

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            typer.echo(f"listening on {url}")

    class Workers(Multiprocess):
        def init_processes(self) -> None:
            super().init_processes()
            if all(worker.wait_until_ready(_START_SECONDS) for worker in self.processes):
                typer.echo(f"listening on {url}")

    if workers == 1:
        Server(config).run(sockets=[listener])
    else:
        Workers(config, sockets=[listener]).run()


def _allow_open_files() -> None:
    """As many connections as the machine lets this process have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _listen(host: str, port: int) -> socket.socket:
    """A bound socket. Exits with a clear line when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        typer.echo(f"error: cannot listen on {host}:{port}: {error.strerror}", err=True)
        raise typer.Exit(1) from error
    listener.set_inheritable(True)
    return listener
