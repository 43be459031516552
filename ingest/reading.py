"""The body of a request, whole and inflated, however it arrives."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from fastapi import Request

from core.errors import ValidationError
from ingest.encodings import IDENTITY, inflate, too_large
from ingest.settings import BODY_BYTES_MAX

BODY_ROOM: Final = "tollbook.body_room"
"""Where a request's scope may have a function to tell so many bytes of its body that are held, too;
it raises `DependencyDownError` where there is no room."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
"""ASGI's: the next message of a request."""

_INFLATED_AT_ONCE: Final = 2_048
"""Bytes of a compressed body that is inflated where it arrives; a larger one goes to a thread."""


async def read_body(request: Request) -> bytes:
    """The whole body, inflated. Raises `TooLargeError` as soon as the limit is passed."""
    declared = int(request.headers.get("content-length", "0"))
    body = await receive_body(request.receive, declared)
    encoding = request.headers.get("content-encoding", IDENTITY)
    if encoding == IDENTITY:
        return body
    if len(body) <= _INFLATED_AT_ONCE:
        inflated = inflate(encoding, body)
    else:
        inflated = await to_thread(inflate, encoding, body)
    if take_room := request.scope.get(BODY_ROOM):
        take_room(len(inflated))
    return inflated


async def receive_body(
    receive: Receive, declared_bytes: int, take_room: Callable[[int], None] | None = None
) -> bytes:
    """The whole body as it was sent.

    `take_room` is told of every piece, and may refuse it. Raises `TooLargeError` as soon as the
    limit is passed, `ValidationError` where the connection ends first.
    """
    if declared_bytes > BODY_BYTES_MAX:
        raise too_large(BODY_BYTES_MAX)
    first, more = b"", True
    received = bytearray()
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ValidationError("body: the connection ended before the body did")
        piece, more = message.get("body", b""), message.get("more_body", False)
        if len(first) + len(received) + len(piece) > BODY_BYTES_MAX:
            raise too_large(BODY_BYTES_MAX)
        if take_room is not None:
            take_room(len(piece))
        if not first:
            first = piece
        else:
            received += piece
    return first + received if received else first
