"""An application on a port of its own, with the connections that `tollbook serve` has."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from api.connections import ConnectionLimits, GuardedConnections

_STOP_SECONDS: Final = 120.0
"""Far more than anything takes on a machine that does something else."""


@contextmanager
def serving(app: ASGIApp, limits: ConnectionLimits) -> Iterator[int]:
    """The port on which `app` is served; answers carry no date, so that they can be compared."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=GuardedConnections(limits),  # type: ignore[arg-type]  # as in cli.serving
        ws="none",
        lifespan="off",
        log_config=None,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=limits.idle_seconds,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(_STOP_SECONDS)
    assert not thread.is_alive()
