"""A bound on the bytes of bodies that a process holds, those still being read among them."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import DependencyDownError
from ingest.metrics import REFUSED
from ingest.reading import BODY_ROOM

_RETRY_AFTER_SECONDS: Final = 1


class Room:
    """How many bytes of bodies are held, and how many may be."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.held_bytes = 0


class Share:
    """What one request holds of a room, until it is given back.

    What has arrived of a body counts, not what was announced, so that slow senders take no room
    with what they only promise. A body that is alone may be as large as its own limit allows.
    """

    __slots__ = ("_bytes", "_room")

    def __init__(self, room: Room) -> None:
        self._room, self._bytes = room, 0

    def take(self, size: int) -> None:
        """So many more bytes. Raises `DependencyDownError` where there is no room."""
        room = self._room
        held_bytes = room.held_bytes
        if held_bytes > self._bytes and held_bytes + size > room.bytes_max:
            REFUSED["bodies"].inc()
            raise DependencyDownError(
                "more bodies are being read than this server may hold",
                retry_after_seconds=_RETRY_AFTER_SECONDS,
            )
        self._bytes += size
        room.held_bytes = held_bytes + size

    def give_back(self) -> None:
        """The request is answered."""
        self._room.held_bytes -= self._bytes
        self._bytes = 0


class BodyRoom:
    """ASGI middleware, around everything that reads bodies.

    A body counts until its request is answered. So does what it becomes when it is inflated, which
    its reader tells by `BODY_ROOM` in the scope.
    """

    def __init__(self, app: ASGIApp, room: Room) -> None:
        self._app, self._room = app, room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; where there is no room, its reader gets a `DependencyDownError`."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        share = Share(self._room)

        async def receive_counted() -> Message:
            message = await receive()
            if size := len(message.get("body", b"")):
                share.take(size)
            return message

        scope[BODY_ROOM] = share.take
        try:
            await self._app(scope, receive_counted, send)
        finally:
            share.give_back()
