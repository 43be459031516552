"""The body of a request as ASGI delivers it: gathered into pieces worth a thread's attention."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from infra.local.clickhouse.channels import ClientGoneError
from infra.local.clickhouse.errors import SOCKET_TIMEOUT, EngineError

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

PIECE_BYTES = 1 << 20
"""A piece is at least this long, unless it is the last: fewer hand-overs, bounded memory."""


class Body:
    """Reads the body once, from start to end."""

    def __init__(self, receive: Receive, idle_seconds: float) -> None:
        self._receive = receive
        self._idle_seconds = idle_seconds
        self.complete = False

    async def read_some(self) -> bytes:
        """What has arrived, at least one byte; empty only at the end.

        Raises `ClientGoneError` if the connection ends before the body does, and `EngineError` if
        the client stops sending.
        """
        while not self.complete:
            message = await self._next_message()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            self.complete = not message.get("more_body", False)
            data: bytes = message.get("body", b"")
            if data:
                return data
        return b""

    async def _next_message(self) -> MutableMapping[str, Any]:
        try:
            async with asyncio.timeout(self._idle_seconds):
                return await self._receive()
        except TimeoutError:
            raise EngineError.of(
                SOCKET_TIMEOUT,
                f"The client sent nothing for {self._idle_seconds:g} s in the middle of its body.",
            ) from None

    async def read_piece(self) -> bytes:
        """The next `PIECE_BYTES` or more, less at the end, empty after it."""
        parts: list[bytes] = []
        size_bytes = 0
        while size_bytes < PIECE_BYTES:
            data = await self.read_some()
            if not data:
                break
            parts.append(data)
            size_bytes += len(data)
        return b"".join(parts)
