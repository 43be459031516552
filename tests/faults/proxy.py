"""A TCP proxy on loopback that cuts, stalls, delays, and loses answers: a bad network on demand.

It knows one thing about what it carries: which HTTP request is an insert. So it can cut one in the
middle of its body, or drop the answer of one that the server has applied.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from typing import Final

from infra.local.ports import LOOPBACK

_BLOCK_BYTES: Final = 1 << 16
_HEAD_BYTES: Final = 4096


class _Connection:
    """A client's connection and the one to the server behind it."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client, self.server = client, server
        self.inserting = False

    def abort(self) -> None:
        """Reset both sides: neither gets an orderly end."""
        for side in (self.client, self.server):
            side.transport.abort()


class Proxy:
    """Listens on `port` and carries everything to `target`, in a thread of its own.

    `done` counts what it did to connections, by name. The setters may be called by any thread.
    """

    def __init__(self, port: int, target: int) -> None:
        self.port, self._target = port, target
        self.done: Counter[str] = Counter()
        self._refusing = False
        self._delay_seconds = 0.0
        self._answers_to_lose = 0
        self._inserts_to_cut = 0
        self._connections: set[_Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._flowing.set()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        ready.wait(10)

    def cut(self) -> None:
        """Reset every connection and refuse new ones."""

        def act() -> None:
            self._refusing = True
            for connection in tuple(self._connections):
                self.done["connections cut"] += 1
                connection.abort()

        self._loop.call_soon_threadsafe(act)

    def stall(self) -> None:
        """Carry nothing any more; nobody is told."""
        self.done["stalls"] += 1
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def delay(self, seconds: float) -> None:
        """Carry every block so much later."""
        self.done["delays"] += 1
        self._delay_seconds = seconds

    def lose_answers(self, count: int) -> None:
        """Drop the answers of the next inserts, after the server applied them."""
        self._answers_to_lose = count

    def cut_inserts(self, count: int) -> None:
        """Cut the next inserts in the middle of what they send."""
        self._inserts_to_cut = count

    def heal(self) -> None:
        """Carry everything again, at once."""
        self._refusing, self._delay_seconds = False, 0.0
        self._answers_to_lose = self._inserts_to_cut = 0
        self._loop.call_soon_threadsafe(self._flowing.set)

    def close(self) -> None:
        """End it and its connections."""
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._carry, LOOPBACK, self.port, limit=_BLOCK_BYTES)
        )
        ready.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._refusing:
                raise ConnectionRefusedError
            from_server, to_server = await asyncio.open_connection(
                LOOPBACK, self._target, limit=_BLOCK_BYTES
            )
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection(writer, to_server)
        self._connections.add(connection)
        try:
            await asyncio.gather(
                self._requests(reader, connection), self._answers(from_server, connection)
            )
        except OSError:
            pass
        finally:
            self._connections.discard(connection)
            connection.abort()

    async def _requests(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        while block := await reader.read(_BLOCK_BYTES):
            head = block.startswith((b"POST ", b"GET "))
            if head:
                connection.inserting = b"INSERT" in block[:_HEAD_BYTES]
                if connection.inserting and b"usage_events" in block[:_HEAD_BYTES]:
                    self.done["inserts into usage_events"] += 1
            if connection.inserting and self._inserts_to_cut:
                self._inserts_to_cut -= 1
                self.done["inserts cut"] += 1
                connection.server.write(block[: len(block) // 2])
                await connection.server.drain()
                connection.abort()
                return
            await self._wait()
            connection.server.write(block)
            await connection.server.drain()
        with contextlib.suppress(OSError):
            connection.server.write_eof()

    async def _answers(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        while block := await reader.read(_BLOCK_BYTES):
            if connection.inserting and self._answers_to_lose:
                self._answers_to_lose -= 1
                self.done["answers lost"] += 1
                connection.abort()
                return
            await self._wait()
            connection.client.write(block)
            await connection.client.drain()
        connection.client.transport.abort()

    async def _wait(self) -> None:
        await self._flowing.wait()
        if self._delay_seconds:
            await asyncio.sleep(self._delay_seconds)
