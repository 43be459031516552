"""Around every request: its id, its line in the log, its count and duration, its span."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from functools import cache
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import REQUEST_ID_IN_SCOPE
from core import metric_names
from core.clock import monotonic_seconds
from telemetry.correlation import REQUEST_ID_HEADER, RequestId, current_request, request_id_of
from telemetry.tracing import tracing

_log: Final = logging.getLogger(__name__)
_REQUESTS: Final = Counter(metric_names.HTTP_REQUESTS, "Requests answered.", ("route", "status"))
_SECONDS: Final = Histogram(
    metric_names.HTTP_SECONDS,
    "From the first byte of a request to the last of its answer.",
    ("route",),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
ID_HEADER: Final = REQUEST_ID_HEADER.lower().encode()
"""Of requests and answers."""

_WANTED: Final = frozenset({ID_HEADER, b"traceparent", b"tracestate"})
_PROBED: Final = frozenset({"/metrics", "/livez", "/readyz"})
_NO_ROUTE: Final = "none"


FRAMEWORK_TELEMETRY: Final[TelemetryConfig] = {"tracing": False, "metrics": False, "logs": False}
"""For applications: what the framework would observe is observed here."""


def observe_requests(app: FastAPI) -> None:
    """Let every request of `app` be observed."""
    app.add_middleware(Observing)


class Observing:
    """ASGI middleware.

    A request that brings an id (`X-Request-Id` or `traceparent`) is logged at INFO, since its
    sender wants to find it; others at DEBUG; what went wrong here always.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in _WANTED
        }
        request = request_id_of(headers)
        scope[REQUEST_ID_IN_SCOPE] = request.text
        answer = _Answer(send, request.text.encode())
        began = monotonic_seconds()
        token = current_request.set(request)
        active = None if scope["path"] in _PROBED else tracing()
        method = scope["method"]
        try:
            with nullcontext() if active is None else active.serving(method, headers) as span:
                await self._app(scope, receive, answer.send)
                if span is not None:
                    span.update_name(f"{method} {_route_of(scope)}")
                    span.set_attribute("http.response.status_code", answer.status)
        finally:
            count_answer(method, _route_of(scope), answer.status, began, request)
            current_request.reset(token)


class _Answer:
    """The answer on its way out; without one, the framework will say 500."""

    def __init__(self, send: Send, request_id: bytes) -> None:
        self._send, self._id = send, request_id
        self.status: int = HTTPStatus.INTERNAL_SERVER_ERROR

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), (ID_HEADER, self._id)]
        await self._send(message)


def count_answer(
    method: str, route: str, status: int, began_seconds: float, request: RequestId
) -> None:
    """A request of `route` that began then was answered just now: counted, and maybe logged."""
    seconds = monotonic_seconds() - began_seconds
    count, duration = _children(route, status)
    count.inc()
    duration.observe(seconds)
    level = _level(status, request.brought, route)
    if _log.isEnabledFor(level):
        context = {"method": method, "route": route, "status": status}
        context["milliseconds"] = round(seconds * 1000, 3)
        _log.log(level, "request answered", extra={"context": context})


@cache
def _children(route: str, status: int) -> tuple[Counter, Histogram]:
    """The two metrics of an answer; there are as few as routes and statuses."""
    return _REQUESTS.labels(route, status), _SECONDS.labels(route)


def _route_of(scope: Scope) -> str:
    """The template of the route that answered: few names, whatever was asked for."""
    return str(getattr(scope.get("route"), "path", _NO_ROUTE))


def _level(status: int, brought: bool, route: str) -> int:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and route not in _PROBED:
        return logging.WARNING
    return logging.INFO if brought else logging.DEBUG
