"""A baseline application behind the same server as ours."""

from __future__ import annotations

import socket
from typing import Any, Literal

import uvicorn

_BACKLOG = 2048


def serve(app: Any, lifespan: Literal["on", "off"] = "on") -> None:
    """Serve on a free port until SIGTERM; prints the URL as `tollbook serve ingest` does."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        app, loop="uvloop", http="httptools", lifespan=lifespan, log_config=None, access_log=False,
        server_header=False,
    )  # fmt: skip
    print(f"listening on {url}", flush=True)
    uvicorn.Server(config).run(sockets=[listener])
