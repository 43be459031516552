"""Hand-over between the event loop and the thread that talks to the engine, with bounded memory."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator

from infra.local.clickhouse.compression import Decompressor


class ClientGoneError(Exception):
    """The client is gone: nobody waits for an answer, and no more of the body will come."""


class BodyChannel:
    """Pieces of a request's body, from the loop to one thread; at most `depth` wait."""

    def __init__(self, depth: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(depth)
        self._queue: queue.SimpleQueue[bytes | Exception | None] = queue.SimpleQueue()
        self._stopped = False

    async def put(self, piece: bytes) -> bool:
        """Hand over a piece, waiting while the thread is behind; False once it takes no more."""
        await self._room.acquire()
        if self._stopped:
            self._room.release()
            return False
        self._queue.put(piece)
        return True

    def end(self) -> None:
        """The body is complete."""
        self._queue.put(None)

    def fail(self, error: Exception) -> None:
        """The body will never be complete: the thread's iteration raises `error`."""
        self._queue.put(error)

    def __iter__(self) -> Iterator[bytes]:
        """In the thread: the pieces up to the end of the body."""
        while True:
            piece = self._queue.get()
            if piece is None:
                return
            if isinstance(piece, Exception):
                raise piece
            yield piece
            self._loop.call_soon_threadsafe(self._room.release)

    def decoded(self, first: bytes, decompressor: Decompressor | None) -> Iterator[bytes]:
        """In the thread: `first` (plain) and the pieces, decompressed, up to the body's end."""
        try:
            if first:
                yield first
            for piece in self:
                yield piece if decompressor is None else decompressor.feed(piece)
            if decompressor is not None:
                decompressor.finish()
        finally:
            self._stop()

    def _stop(self) -> None:
        """In the thread: no more pieces are taken."""
        self._stopped = True
        self._loop.call_soon_threadsafe(self._room.release)


class AnswerChannel:
    """Pieces of an answer, from one thread to the loop; at most `depth` wait."""

    def __init__(self, depth: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._room = threading.Semaphore(depth)
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._cancelled = False

    def put(self, piece: bytes) -> None:
        """In the thread: hand over a piece, waiting while the client is behind.

        Raises `ClientGoneError` once nobody waits any more.
        """
        self._room.acquire()
        if self._cancelled:
            raise ClientGoneError
        self._loop.call_soon_threadsafe(self._queue.put_nowait, piece)

    def end(self) -> None:
        """In the thread: nothing more comes."""
        self._loop.call_soon_threadsafe(self._queue.put_nowait, None)

    async def get(self) -> bytes | None:
        """In the loop: the next piece, None after the last."""
        piece = await self._queue.get()
        self._room.release()
        return piece

    def cancel(self) -> None:
        """In the loop: nobody waits any more; a thread that waits for room is woken."""
        self._cancelled = True
        self._room.release()
