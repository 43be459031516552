"""Metrics and health of a process that serves nothing else: a small HTTP server in a thread."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, Self

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from core.errors import ConflictError

Check = Callable[[], str | None]
"""What is wrong right now, or None; may ask a server, for a moment."""

_JSON: Final = "application/json"


class Endpoint:
    """`/metrics`, `/livez` and `/readyz` on a port of its own. Start it, and `close()` it.

    `alive` are the checks of liveness, `ready` those of readiness: a failed one is a 503 that names
    it. `port` 0 takes a free one; `url` says which. Raises `ConflictError` for a port in use.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        alive: Mapping[str, Check],
        ready: Mapping[str, Check],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._registry = registry
        self._checks = {"/livez": ("alive", alive), "/readyz": ("ready", {**alive, **ready})}
        try:
            self._server = ThreadingHTTPServer((host, port), _handler(self))
        except OSError as error:
            raise ConflictError(
                f"metrics: cannot listen on {host}:{port}: {error.strerror}"
            ) from error
        self._server.daemon_threads = True
        self.url = f"http://{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="telemetry", daemon=True
        )

    def start(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body of a GET."""
        if path == "/metrics":
            return 200, CONTENT_TYPE_LATEST, generate_latest(self._registry)
        if path not in self._checks:
            return 404, _JSON, _error("not_found", f"GET {path}: not found", {})
        word, checks = self._checks[path]
        faults = {name: fault for name, check in checks.items() if (fault := _ask(check))}
        if faults:
            message = f"not {word}: {', '.join(faults)}"
            return 503, _JSON, _error("dependency_down", message, {"checks": faults})
        return 200, _JSON, json.dumps({"status": word}).encode()


def _ask(check: Check) -> str | None:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - a check that fails is a fault, whatever it met
        return f"{type(error).__name__}: {error}"


def _error(code: str, message: str, details: dict[str, object]) -> bytes:
    error = {"code": code, "message": message, "details": details}
    return json.dumps({"success": False, "error": error}).encode()


def _handler(endpoint: Endpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "tollbook", ""

        def do_GET(self) -> None:
            status, content_type, body = endpoint.answer(self.path.partition("?")[0])
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            if status == 503:  # noqa: PLR2004 - unavailable
                self.send_header("Retry-After", "1")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
            """Say nothing: whoever scrapes asks every few seconds."""

    return Handler
