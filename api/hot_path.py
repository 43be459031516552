"""`POST /v1/events` in front of the framework: nearly all requests are answered here.

What is rare about a request (a compressed body, binary mode, a table, a repeated header, a trace)
is left to the framework, whose route does the same in more steps and is the one that documents it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.body_room import Room, Share
from api.connections import AT_ONCE, AnswerWhole, AtOnce, Whole
from api.observing import ID_HEADER, count_answer
from api.problems import REQUEST_ID_IN_SCOPE, error_response
from core.clock import monotonic_seconds
from ingest.formats import binary
from ingest.formats.registry import FORMATS
from ingest.formats.wire_format import WireFormat
from ingest.intake import Answer, Intake, Joined, may_be_joined
from ingest.limits.limiter import Sender
from ingest.reading import receive_body
from ingest.router import EVENTS_PATH, encode_answer
from telemetry.correlation import RequestId, current_request, request_id_of
from telemetry.tracing import tracing

_METHOD: Final = "POST"
_FORMATS: Final[Mapping[bytes, WireFormat]] = {
    media_type.encode(): wire_format
    for media_type, wire_format in FORMATS.items()
    if wire_format.is_json
}
_RARE: Final = frozenset({b"content-encoding", b"traceparent", binary.MARK.encode()})
_JSON: Final = (b"content-type", b"application/json")
_NO_STATE: Final[Mapping[str, Any]] = {}


class HotPath:
    """An ASGI callable around the application, and `api.connections.EagerApp`.

    `intake_of`, `sender_of` and `room` are those of the application's own route.
    """

    def __init__(
        self,
        app: ASGIApp,
        intake_of: Callable[[], Intake],
        sender_of: Callable[[str, int], Sender],
        room: Room,
    ) -> None:
        self._app = app
        self._intake_of, self._sender_of, self._room = intake_of, sender_of, room
        self._alone: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a plain request of the route, pass on any other."""
        plain = _Plain.of(scope, self._room)
        if plain is None:
            await self._app(scope, receive, send)
            return
        connection: AtOnce | None = scope.get("state", _NO_STATE).get(AT_ONCE)
        token = current_request.set(plain.request)
        try:
            try:
                plain.sender = self._sender_of(plain.authorization, plain.declared)
                body = connection.whole_body(scope) if connection and plain.declared else None
                if body is None:
                    body = await receive_body(receive, plain.declared, plain.share.take)
                else:
                    plain.share.take(len(body))
                said = await self._intake_of().take(plain.sender, plain.wire_format, body)
                answer = plain.accepted(said)
            except Exception as error:  # noqa: BLE001 - whatever it is, the sender gets an answer
                answer = plain.failed(error)
            if connection is None or not connection.answer_whole(scope, *answer):
                status, fields, text = answer
                await send({"type": "http.response.start", "status": status, "headers": fields})
                await send({"type": "http.response.body", "body": text})
        finally:
            plain.end()
            current_request.reset(token)

    def begin(self, scope: Scope, body: bytes, answer: AnswerWhole) -> bool:
        """Take a plain request whose body is read with those of others, without a task for it."""
        plain = _Plain.of(scope, self._room)
        if plain is None or not may_be_joined(plain.wire_format, body):
            return False
        token = current_request.set(plain.request)
        try:
            intake = self._intake_of()
            plain.sender = self._sender_of(plain.authorization, plain.declared)
            plain.share.take(len(body))
            joined = intake.join(plain.sender, body)
        except Exception as error:  # noqa: BLE001 - as above
            plain.answer_failed(answer, error)
        else:
            settled = partial(self._settled, plain, intake, joined, answer)
            joined.settled.add_done_callback(settled)  # in this context, with the request's id
        finally:
            current_request.reset(token)
        return True

    def _settled(
        self,
        plain: _Plain,
        intake: Intake,
        joined: Joined,
        answer: AnswerWhole,
        _: asyncio.Future[bool],
    ) -> None:
        """Answer a request that was read with others, or have it read alone."""
        try:
            said = intake.answer_of(joined)
            if said is None:
                task = asyncio.create_task(self._read_alone(plain, intake, joined, answer))
                self._alone.add(task)
                task.add_done_callback(self._alone.discard)
                return
        except Exception as error:  # noqa: BLE001 - as above
            plain.answer_failed(answer, error)
        else:
            plain.answer_accepted(answer, said)

    @staticmethod
    async def _read_alone(
        plain: _Plain, intake: Intake, joined: Joined, answer: AnswerWhole
    ) -> None:
        try:
            said = await intake.take_alone(plain.wire_format, joined.body)
        except Exception as error:  # noqa: BLE001 - as above
            plain.answer_failed(answer, error)
        else:
            plain.answer_accepted(answer, said)


class _Plain:
    """A plain request of the route: what its head says, and what its answer is made of."""

    __slots__ = (
        "_began", "_scope", "_status", "authorization", "declared", "request", "sender", "share",
        "wire_format",
    )  # fmt: skip

    sender: Sender
    """Set once it is known."""

    def __init__(
        self, scope: Scope, headers: Mapping[bytes, bytes], wire_format: WireFormat, room: Room
    ) -> None:
        self._scope, self.wire_format = scope, wire_format
        self.declared = int(headers.get(b"content-length", b"0"))
        self.authorization = headers.get(b"authorization", b"").decode("latin-1")
        self.request = _request_id(headers)
        scope[REQUEST_ID_IN_SCOPE] = self.request.text
        self.share = Share(room)
        self._began, self._status = monotonic_seconds(), 500

    @classmethod
    def of(cls, scope: Scope, room: Room) -> _Plain | None:
        """The plain request that a scope is of; None for any other."""
        if (
            scope["type"] != "http"
            or scope["path"] != EVENTS_PATH
            or scope["method"] != _METHOD
            or scope.get("root_path")
            or tracing() is not None
        ):
            return None
        headers = dict(scope["headers"])
        wire_format = _FORMATS.get(headers.get(b"content-type", b""))
        if wire_format is None or len(headers) != len(scope["headers"]):
            return None
        return cls(scope, headers, wire_format, room) if _RARE.isdisjoint(headers) else None

    def accepted(self, said: Answer) -> Whole:
        """The whole `202`."""
        self._status, text = 202, encode_answer(said)
        fields = [_JSON, (b"content-length", b"%d" % len(text))]
        for name, value in self.sender.headers().items():
            fields.append((name.lower().encode(), value.encode()))
        fields.append((ID_HEADER, self.request.text.encode()))
        return 202, fields, text

    def failed(self, error: Exception) -> Whole:
        """The whole answer to an error."""
        response = error_response(Request(self._scope), error)
        self._status = response.status_code
        fields = [field for field in response.raw_headers if field[0] != ID_HEADER]
        fields.append((ID_HEADER, self.request.text.encode()))
        return self._status, fields, bytes(response.body)

    def answer_accepted(self, answer: AnswerWhole, said: Answer) -> None:
        """Answer, and end."""
        try:
            answer(*self.accepted(said))
        finally:
            self.end()

    def answer_failed(self, answer: AnswerWhole, error: Exception) -> None:
        """The same with an error."""
        try:
            answer(*self.failed(error))
        finally:
            self.end()

    def end(self) -> None:
        """It was answered, or could not be: 500."""
        self.share.give_back()
        count_answer(_METHOD, EVENTS_PATH, self._status, self._began, self.request)


def _request_id(headers: Mapping[bytes, bytes]) -> RequestId:
    brought = headers.get(ID_HEADER)
    return request_id_of({} if brought is None else {"x-request-id": brought.decode("latin-1")})
