"""`tollbook serve`: the long-running processes, each in the foreground until SIGTERM."""

from __future__ import annotations

import os
import socket
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from cli.options import StateDir

app = typer.Typer(help="Run a process of the data plane in the foreground.", no_args_is_help=True)

_GRACE_SECONDS: Final = 15
_START_SECONDS: Final = 30
_BACKLOG: Final = 2048


@app.command()
def ingest(
    state_dir: StateDir = Path(".tollbook"),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free port.")] = 8080,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the port.")] = 1,
) -> None:
    """Take usage events over HTTP and put them into the log.

    Prints its URL once it listens. On SIGTERM it answers the requests under way, then ends.

    Example: tollbook serve ingest --port 8080 --workers 2
    """
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    from api.ingest_app import create_ingest_app
    from infra.local.state import resolve_endpoints
    from ingest.settings import IngestSettings

    settings = IngestSettings(
        endpoints=resolve_endpoints(os.environ, state_dir),
        snapshot_path=state_dir.absolute() / "ingest" / "catalog.json",
    )
    config = uvicorn.Config(
        partial(create_ingest_app, settings),
        factory=True,
        host=host,
        port=port,
        workers=workers,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        backlog=_BACKLOG,
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


@app.command()
def streams(
    worker_id: Annotated[str, typer.Option(help="Tells workers of one machine apart.")],
    state_dir: StateDir = Path(".tollbook"),
    group: Annotated[
        str | None, typer.Option(help="Shadow the other workers as a consumer group of its own.")
    ] = None,
) -> None:
    """Meter the log into ClickHouse, together with all other workers of the installation.

    Example: tollbook serve streams --worker-id a
    """
    from infra.local.state import resolve_endpoints
    from streams.settings import StreamSettings
    from streams.worker import run

    run(
        StreamSettings(
            endpoints=resolve_endpoints(os.environ, state_dir),
            worker_id=worker_id,
            data_dir=state_dir.absolute() / "streams" / worker_id,
            group=group,
        )
    )


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
