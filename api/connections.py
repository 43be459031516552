"""What a connection may cost: how many there are, how long a request may take to arrive.

uvicorn waits for ever for the rest of a head or a body, and counts neither. Here a head and a body
have a time, a head has a size, connections have a number, and a client that never reads its answers
is left. A sweep now and then looks at all connections, so a good request pays next to nothing.
"""

from __future__ import annotations

import asyncio
import json
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, Protocol, cast, runtime_checkable

from prometheus_client import Counter, Gauge
from starlette.types import Scope
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from core import metric_names

_OPEN: Final = Gauge(
    metric_names.HTTP_CONNECTIONS, "Open connections.", multiprocess_mode="livesum"
)
_ENDED: Final = Counter(
    metric_names.HTTP_CONNECTIONS_ENDED, "Connections that the server ended.", ("reason",)
)
AT_ONCE: Final = "tollbook.at_once"
"""Where the state of a request has its connection, which takes and gives `AtOnce`."""

Fields = Sequence[tuple[bytes, bytes]]
Whole = tuple[int, Fields, bytes]
"""A whole answer: status, header fields, body. The fields name the body's length and cannot break
out of their lines."""

AnswerWhole = Callable[[int, Fields, bytes], None]
"""Gives a request its whole answer, once."""

_RETRY_AFTER_SECONDS: Final = 1
_POLITE_SHARE: Final = 4


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Of one process.

    Attributes:
        connections_max: More are answered 503; a quarter above, they are closed unanswered.
        head_seconds: From a connection, or the first byte of a request, to the end of its head.
        head_bytes_max: A head that comes in several pieces may not be longer.
        body_seconds: From the end of the head to the end of the body.
        answer_seconds: How long a client may leave its answers unread.
        idle_seconds: How long a connection without a request is kept.
        sweep_seconds: How often all of this is looked at.
    """

    connections_max: int = 2_000
    head_seconds: float = 10.0
    head_bytes_max: int = 32 * 1024
    body_seconds: float = 60.0
    answer_seconds: float = 30.0
    idle_seconds: int = 30
    sweep_seconds: float = 1.0


class AtOnce(Protocol):
    """Beside ASGI's messages, one by one: a whole body, a whole answer, for a request's scope."""

    def whole_body(self, scope: Scope) -> bytes | None:
        """The body, if all of it is there and nothing of it was received; None otherwise."""
        ...

    def answer_whole(self, scope: Scope, status: int, fields: Fields, body: bytes) -> bool:
        """Write a `Whole` answer; False says that nothing was: then send the usual messages."""
        ...


@runtime_checkable
class EagerApp(Protocol):
    """An application that takes some requests without a task, once their bodies are there."""

    def begin(self, scope: Scope, body: bytes, answer: AnswerWhole) -> bool:
        """Take a request whose whole body came with its head, and answer it now or later.

        False: nothing was done, and it is called in the usual way.
        """
        ...


class GuardedConnections:
    """Makes the protocol of each connection, in uvicorn's way, and sweeps over them."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._sweeping = False

    def __call__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> GuardedProtocol:
        """A connection was accepted."""
        made = GuardedProtocol(self.limits, config, server_state, app_state, _loop)
        if not self._sweeping:
            self._sweeping = True
            made.loop.call_later(self.limits.sweep_seconds, self._sweep, made.loop, server_state)
        return made

    def _sweep(self, loop: asyncio.AbstractEventLoop, state: ServerState) -> None:
        now = loop.time()
        for connection in list(state.connections):
            if isinstance(connection, GuardedProtocol):
                connection.look(now)
        loop.call_later(self.limits.sweep_seconds, self._sweep, loop, state)


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's, with an eye on the time."""

    def __init__(
        self,
        limits: ConnectionLimits,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        loop: asyncio.AbstractEventLoop | None,
    ) -> None:
        super().__init__(config, server_state, app_state, loop)
        self._limits = limits
        self._part: Literal["head", "body"] | None = "head"
        self._since: float | None = self.loop.time()
        self._head_bytes = self._field_bytes = 0
        self._unread_since: float | None = None
        self._idle_since: float | None = None
        self._begun = 0
        self._self = weakref.proxy(self)  # a ring would keep what a closed connection has read
        self._is_one_too_many = False
        self._eager = self.app if isinstance(self.app, EagerApp) else None
        self._held: RequestResponseCycle | None = None
        """A request that has no task yet: its body may come whole with its head."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take it in, unless there are too many."""
        super().connection_made(cast("asyncio.Transport", transport))  # uvloop's is no subclass
        _OPEN.inc()
        many, most = len(self.connections), self._limits.connections_max
        self._is_one_too_many = many > most
        if many > most + most // _POLITE_SHARE:
            self._end("many")

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        _OPEN.dec()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take the next piece of a request."""
        if self._is_one_too_many:  # now that it has sent something, it will see an answer
            self._end("many", 503, "dependency_down", "this server has too many connections")
            return
        was_between = self._part is None or (self._part == "head" and not self._head_bytes)
        self._idle_since, self._begun = None, 0
        super().data_received(data)
        if self._held is not None:
            held, self._held = self._held, None
            super()._start_asgi_task(held, self.app)
        if self.transport.is_closing():
            return
        if self._part == "head":  # of a piece that also ends a request, no more is known
            is_all = not self._begun or (self._begun == 1 and was_between)
            self._head_bytes += len(data) if is_all else 1
        if max(self._head_bytes, self._field_bytes) > self._limits.head_bytes_max:
            most = self._limits.head_bytes_max
            message = f"the head and the trailers of a request may have {most} bytes"
            self._end("long_head", 431, "head_too_large", message)
        is_free = self.cycle is None or self.cycle.response_complete
        if self._part is None and is_free and self._idle_since is None:
            self._part = "head"  # something came that is no request yet, such as an empty line
        if self._since is None and self._part is not None:
            self._since = self.loop.time()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._idle_since = None
        self._part, self._head_bytes, self._field_bytes = "head", 0, 0
        self._begun += 1

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head, or of the trailers behind a body, is complete."""
        self._field_bytes += len(name) + len(value)
        if self._field_bytes <= self._limits.head_bytes_max:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A body begins."""
        self._part, self._since = "body", None
        self.scope["state"][AT_ONCE] = self._self
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A request is complete."""
        self._part = self._since = None
        super().on_message_complete()
        if self._held is not None:
            held, self._held = self._held, None
            self._start_asgi_task(held, self.app)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Start a request: without a task, if its body is there and the application may take it."""
        if self._eager is None or app is not self.app:
            super()._start_asgi_task(cycle, app)
        elif cycle.more_body:
            self._held = cycle
        elif cycle.waiting_for_100_continue or self.flow.write_paused:
            super()._start_asgi_task(cycle, app)
        else:
            answer = partial(self._write, cycle)
            if self._eager.begin(cast("Scope", cycle.scope), bytes(cycle.body), answer):
                cycle.body = bytearray()
            else:
                super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """As uvicorn does, but the sweep ends an idle connection: a timer for each costs more."""
        self.server_state.total_requests += 1
        if self.cycle.response_complete:  # what was not read of a refused body
            self.cycle.body = bytearray()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            # With a task: one that is answered at once would lead to the next, and so on.
            cycle, app = self.pipeline.pop()
            super()._start_asgi_task(cycle, app)
        else:
            self._idle_since = self.loop.time()

    def whole_body(self, scope: Scope) -> bytes | None:
        """As `AtOnce` has it."""
        cycle = self.cycle
        if cycle.scope is not scope or cycle.more_body or cycle.waiting_for_100_continue:
            return None
        if cycle.disconnected:
            return None
        self.flow.resume_reading()
        body, cycle.body = bytes(cycle.body), bytearray()
        cycle.message_event.clear()
        return body

    def answer_whole(self, scope: Scope, status: int, fields: Fields, body: bytes) -> bool:
        """As `AtOnce` has it."""
        cycle = self.cycle
        if cycle.scope is not scope or cycle.response_started or self.flow.write_paused:
            return False
        self._write(cycle, status, fields, body)
        return True

    def _write(self, cycle: RequestResponseCycle, status: int, fields: Fields, body: bytes) -> None:
        """Write the whole answer to a request, if its client is still there."""
        on_response, cycle.on_response = cycle.on_response, _nothing  # no ring through the cycle
        cycle.response_started = cycle.response_complete = True
        if cycle.disconnected or self.transport.is_closing():
            return
        cycle.waiting_for_100_continue = False
        head = [STATUS_LINE[status]]
        for name, value in (*cycle.default_headers, *fields):
            head += (name, b": ", value, b"\r\n")
        head += (b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n", body)
        self.transport.write(b"".join(head))
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        on_response()

    def send_400_response(self, msg: str) -> None:
        """What came is not HTTP: said in our form."""
        self._answer(400, "validation_error", f"{msg.rstrip('.')}: it is not HTTP/1.1")
        self.transport.close()

    def look(self, now: float) -> None:
        """End the connection if it takes too long."""
        if not self.flow.write_paused:
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        elif now - self._unread_since > self._limits.answer_seconds:
            _ENDED.labels("slow_reader").inc()
            self.transport.abort()
            return
        if self.transport.is_closing() or self.flow.write_paused:
            return
        if self._idle_since is not None and now - self._idle_since > self._limits.idle_seconds:
            self.transport.close()
            return
        if self._since is None:
            return
        if self.flow.read_paused:  # it is we who do not read on
            self._since = now
        elif self._part == "head" and now - self._since > self._limits.head_seconds:
            self._end_late("slow_head", f"the head did not end in {self._limits.head_seconds:g} s")
        elif self._part == "body" and now - self._since > self._limits.body_seconds:
            self._end_late("slow_body", f"the body did not end in {self._limits.body_seconds:g} s")

    def _end_late(self, reason: str, message: str) -> None:
        is_unanswered = self._part == "head" or not self.cycle.response_started
        if is_unanswered and (self._part == "body" or self._head_bytes):
            self._end(reason, 408, "request_timeout", message)
        else:
            self._end(reason)

    def _end(self, reason: str, status: int = 0, code: str = "", message: str = "") -> None:
        _ENDED.labels(reason).inc()
        if status:
            self._answer(status, code, message)
        self.transport.close()

    def _answer(self, status: int, code: str, message: str) -> None:
        """Write an answer that no application made."""
        error = {"code": code, "message": message, "details": {}}
        body = json.dumps({"success": False, "error": error}).encode()
        head = STATUS_LINE[status] + b"content-type: application/json\r\nconnection: close\r\n"
        if status == 503:  # noqa: PLR2004 - Service Unavailable
            head += b"retry-after: %d\r\n" % _RETRY_AFTER_SECONDS
        self.transport.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)


def _nothing() -> None:
    """There is nothing left to do after an answer."""
